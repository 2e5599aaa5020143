"""Open-loop load: questions leave on time whether others are answered or not, and none is asked twice.

A process of its own, so that neither what breaks the product nor what watches it delays a question:
`python -m tests.chaos.load` reads a `Plan` as JSON and prints an `Answer` a line.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from libs.base.environment import REPOSITORY
from tests.chaos.wire import Reply, Streams, connect, question, read_reply

# Of the bar: L.
RATE, SECONDS = 50.0, 60.0
# Beyond any deadline of the gateway: who has no answer by then hangs.
_HANGS_S = 20.0


@dataclass(frozen=True)
class Plan:
    """Who asks what, how often a second, and for how long."""

    url: str
    key: str
    market: str
    customers: list[str]
    articles: list[str]
    rate: float = RATE
    seconds: float = SECONDS


@dataclass(frozen=True)
class Answer:
    """What came of one question: `at` and `took` in seconds, `status` 0 where no answer came and `fault` says why."""

    at: float
    took: float
    status: int
    fault: str
    version: str
    degraded: str | None
    customer: str
    article: str
    size: str | None
    confidence: float | None
    says_when: bool


@dataclass
class Load:
    """The answers, once the load has ended."""

    began: float
    answers: list[Answer] = field(default_factory=list)

    @property
    def failed(self) -> list[Answer]:
        return [one for one in self.answers if one.status != 200]

    def p99_ms(self) -> float:
        return percentile_ms(self.answers, 0.99)

    def faults(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for one in self.failed:
            fault = f"{one.status} {one.fault}".strip()
            counts[fault] = counts.get(fault, 0) + 1
        return counts

    def __str__(self) -> str:
        slowest = max(one.took for one in self.answers)
        said = (
            f"{len(self.answers):,} asked, {len(self.failed)} failed, p99 {self.p99_ms():.0f} ms, max {slowest:.1f} s"
        )
        if not self.failed:
            return said
        at = sorted(one.at - self.began for one in self.failed)
        return f"{said} ({self.faults()}, asked in seconds {at[0]:.0f} to {at[-1]:.0f})"


def percentile_ms(answers: Sequence[Answer], share: float) -> float:
    """The time within which this share of the answers came."""
    took = sorted(one.took for one in answers)
    return 1000 * took[int(share * (len(took) - 1))]


@contextmanager
def loaded(plan: Plan) -> Iterator[Load]:
    """Load for as long as the plan says; the answers are there when the block has ended."""
    command = [sys.executable, "-m", "tests.chaos.load", json.dumps(asdict(plan))]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            load = Load(time.time())
            yield load
            load.answers = [Answer(**json.loads(line)) for line in process.stdout]
        finally:
            process.kill()
    assert len(load.answers) == round(plan.rate * plan.seconds)


class _Caller:
    """Asks on connections that are kept, as a shop's client does."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._idle: list[Streams] = []

    async def ask(self, customer: str, article: str) -> Answer:
        at, begin = time.time(), time.perf_counter()
        asked = question(self._plan.url, self._plan.key, self._plan.market, customer, article)
        reply, fault = None, ""
        try:
            async with asyncio.timeout(_HANGS_S):
                reply = await self._exchanged(asked)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            fault = type(error).__name__
        took = time.perf_counter() - begin
        body: dict[str, Any] = {}
        if reply is not None:
            try:
                body = reply.json()
            except ValueError:
                fault = f"no JSON: {reply.body[:60]!r}"
        [found] = body.get("recommendations", [{}])
        return Answer(
            at=at,
            took=took,
            status=reply.status if reply is not None else 0,
            fault=fault or str(body.get("detail", "")),
            version=body.get("model_version", ""),
            degraded=body.get("degraded"),
            customer=customer,
            article=article,
            size=found.get("size"),
            confidence=found.get("confidence"),
            says_when=reply is not None and "retry-after" in reply.headers,
        )

    async def _exchanged(self, asked: bytes) -> Reply:
        reader, writer = await self._connection()
        try:
            writer.write(asked)
            reply = await read_reply(reader)
        except BaseException:
            writer.close()
            raise
        if reply.closes:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return reply

    async def _connection(self) -> Streams:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await connect(self._plan.url)


async def _run(plan: Plan) -> list[Answer]:
    drawn, caller = random.Random(0), _Caller(plan)
    loop = asyncio.get_running_loop()
    print("begins", flush=True)
    begin, asked = loop.time(), []
    for number in range(round(plan.rate * plan.seconds)):
        await asyncio.sleep(begin + number / plan.rate - loop.time())
        asked.append(loop.create_task(caller.ask(drawn.choice(plan.customers), drawn.choice(plan.articles))))
    return await asyncio.gather(*asked)


if __name__ == "__main__":
    for answer in uvloop.run(_run(Plan(**json.loads(sys.argv[1])))):
        print(json.dumps(asdict(answer)))
