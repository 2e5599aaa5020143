"""What takes its time is found out once for all who ask, and nobody waits long."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.shadow.console.findings import Findings
from libs.base.errors import DataError

pytestmark = pytest.mark.anyio


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as worker:
        yield worker


async def test_all_who_ask_at_once_share_one_finding(worker: ThreadPoolExecutor) -> None:
    findings: Findings[int] = Findings(keep_s=60, worker=worker, wait_s=5)
    calls: list[int] = []

    def find() -> int:
        calls.append(1)
        return 7

    found = await asyncio.gather(*(findings.of("de", find) for _ in range(5)))
    assert ([one.value for one in found], len(calls)) == ([7] * 5, 1)
    findings.forget("de")
    await findings.of("de", find)
    assert len(calls) == 2


async def test_what_takes_longer_is_busy_first_and_there_later(worker: ThreadPoolExecutor) -> None:
    findings: Findings[int] = Findings(keep_s=60, worker=worker, wait_s=0.01)
    begin = threading.Event()

    def find() -> int:
        begin.wait()
        return 7

    found = await findings.of("de", find)
    assert (found.value, found.busy) == (None, True)
    begin.set()
    async with asyncio.timeout(5):
        while findings.last("de").busy:
            await asyncio.sleep(0.001)
    assert findings.last("de").value == 7


@pytest.mark.parametrize(("error", "told"), [(DataError("no such table"), "no such table"), (KeyError("x"), "log")])
async def test_a_fault_is_told_and_stays_no_longer_than_a_value(
    worker: ThreadPoolExecutor, error: Exception, told: str
) -> None:
    findings: Findings[int] = Findings(keep_s=0, worker=worker, wait_s=5)

    def fail() -> int:
        raise error

    assert told in str((await findings.of("de", fail)).fault)
    found = await findings.of("de", lambda: 7)
    assert (found.value, found.fault) == (7, None)
