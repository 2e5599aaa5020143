"""Load from wrk: so many connections, each with one request under way, and what they saw."""

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.base.errors import DataError

_SCRIPT = Path(__file__).with_name("ask.lua")
# A request that takes longer counts as an error.
_TIMEOUT_S = 10


@dataclass(frozen=True)
class Target:
    """Where requests go; `key` None: no API key is sent, `bodies` None: a GET."""

    url: str
    key: str | None = None
    bodies: Path | None = None


@dataclass(frozen=True)
class Seen:
    """One measurement. Latencies are those of all requests; errors are failed connections, timeouts and non-2xx, and
    only what is none of these counts as throughput.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def per_s(self) -> float:
        return (self.requests - self.errors) / self.seconds


def require_wrk() -> str:
    """Raises: DataError: wrk is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise DataError("the load generator wrk is not on PATH: install the package `wrk`")
    return found


def load(target: Target, connections: int, seconds: float, rest_s: float | None = None) -> Seen:
    """Load a target from one thread: it keeps up with any of them, and leaves the cores to the service.

    A connection asks again at once, or after a rest of `rest_s` on average: then as many requests come however slow the
    answers are.
    """
    command = [
        *(require_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", f"{_TIMEOUT_S}s"),
        *("-s", str(_SCRIPT), target.url, "--", str(target.bodies or ""), target.key or ""),
        *([] if rest_s is None else [f"{rest_s * 1000:.0f}"]),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return Seen(**json.loads(ran.stdout.strip().splitlines()[-1]))


def write_questions(
    path: Path, customers: Sequence[str], articles: Sequence[str], count: int, articles_each: int, seed: int
) -> Path:
    """Write so many questions about customers and articles drawn by chance, a JSON object a line."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            question = {"customer_id": draw.choice(customers), "article_ids": draw.sample(articles, articles_each)}
            file.write(json.dumps(question) + "\n")
    return path
