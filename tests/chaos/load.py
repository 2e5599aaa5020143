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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from libs.base.environment import REPOSITORY

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
        return said + (f" ({self.faults()})" if self.failed else "")


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


async def _ask(client: httpx.AsyncClient, plan: Plan, customer: str, article: str) -> Answer:
    at, begin = time.time(), time.perf_counter()
    status, fault, version = 0, "", ""
    body: Mapping[str, Any] = {}
    says_when = False
    try:
        response = await client.post(
            f"/v1/markets/{plan.market}/size-recommendations",
            json={"customer_id": customer, "article_ids": [article]},
        )
        status, version = response.status_code, response.headers.get("X-Model-Version", "")
        body, fault = _read(response)
        says_when = "Retry-After" in response.headers
    except httpx.HTTPError as error:
        fault = type(error).__name__
    took = time.perf_counter() - begin
    [found] = body.get("recommendations", [{}])
    return Answer(
        at=at,
        took=took,
        status=status,
        fault=fault,
        version=version,
        degraded=body.get("degraded"),
        customer=customer,
        article=article,
        size=found.get("size"),
        confidence=found.get("confidence"),
        says_when=says_when,
    )


def _read(response: httpx.Response) -> tuple[Mapping[str, Any], str]:
    if response.status_code == 200:
        return response.json(), ""
    return {}, response.text[:200]


async def _run(plan: Plan) -> list[Answer]:
    drawn = random.Random(0)
    loop = asyncio.get_running_loop()
    headers = {"Authorization": f"Bearer {plan.key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(base_url=plan.url, headers=headers, timeout=_HANGS_S, limits=limits) as client:
        print("begins", flush=True)
        begin, asked = loop.time(), []
        for number in range(round(plan.rate * plan.seconds)):
            await asyncio.sleep(begin + number / plan.rate - loop.time())
            customer, article = drawn.choice(plan.customers), drawn.choice(plan.articles)
            asked.append(loop.create_task(_ask(client, plan, customer, article)))
        return await asyncio.gather(*asked)


if __name__ == "__main__":
    for answer in asyncio.run(_run(Plan(**json.loads(sys.argv[1])))):
        print(json.dumps(asdict(answer)))
