"""More questions than can be answered: many connections, each with one question under way and a rest after it.

`python -m tests.chaos.flood` reads a `Flood` as JSON and prints how many of which status came back.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import uvloop

from libs.base.environment import REPOSITORY
from tests.chaos.load import Plan
from tests.chaos.wire import connect, question, read_reply


@dataclass(frozen=True)
class Flood:
    """`connections` ask `plan`'s questions for its seconds; each rests so long after an answer, on average."""

    plan: Plan
    connections: int
    rest_s: float


@dataclass
class Flooded:
    """How many answers of each status; 0 where the connection ended first."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def offered_per_s(self) -> float:
        return self.statuses.total() / self.seconds

    @property
    def answered_per_s(self) -> float:
        return self.statuses[200] / self.seconds


@contextmanager
def flooded(flood: Flood) -> Iterator[Flooded]:
    """Flood as long as the plan says; what came back is there when the block has ended."""
    command = [sys.executable, "-m", "tests.chaos.flood", json.dumps(asdict(flood))]
    found = Flooded(flood.plan.seconds)
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield found
            said, _ = process.communicate()
        finally:
            process.kill()
    found.statuses.update({int(status): count for status, count in json.loads(said).items()})


def _questions(plan: Plan, count: int) -> list[bytes]:
    drawn = random.Random(1)
    asked = ((drawn.choice(plan.customers), drawn.choice(plan.articles)) for _ in range(count))
    return [question(plan.url, plan.key, plan.market, *one) for one in asked]


async def _ask_on(flood: Flood, questions: list[bytes], until: float, statuses: Counter[int]) -> None:
    loop, drawn = asyncio.get_running_loop(), random.Random(id(statuses))
    await asyncio.sleep(drawn.random() * 2 * flood.rest_s)
    while loop.time() < until:
        try:
            reader, writer = await connect(flood.plan.url)
            while loop.time() < until:
                writer.write(drawn.choice(questions))
                statuses[(await read_reply(reader)).status] += 1
                await asyncio.sleep(drawn.random() * 2 * flood.rest_s)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            statuses[0] += 1


async def _run(flood: Flood) -> Counter[int]:
    questions, statuses = _questions(flood.plan, 1_000), Counter[int]()
    until = asyncio.get_running_loop().time() + flood.plan.seconds
    await asyncio.gather(*(_ask_on(flood, questions, until, statuses) for _ in range(flood.connections)))
    return statuses


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    print(json.dumps(uvloop.run(_run(Flood(**told | {"plan": Plan(**told["plan"])})))))
