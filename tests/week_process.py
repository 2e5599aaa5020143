"""A market's week in a process of its own, which kills itself on the way."""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from tests.promotion_process import MLFLOW_STORES

# What such a process imports sooner or later, once for all of them.
PRELOADED = ["apps.trainer.weekly", "libs.models.report.validation", *MLFLOW_STORES]
# How long a lock outlives its holder: the next run waits for it, and a busy machine keeps its renewal for seconds.
HELD_S = 5.0


@dataclass(frozen=True)
class Kill:
    """Where a week dies: before a function is called, so many seconds into it, or after it."""

    module: str
    function: str
    when: Literal["before", "during", "after"]
    seconds: float = 0.0

    def set_up(self) -> None:
        """Have this process killed there."""
        *path, name = self.function.split(".")
        owner: Any = importlib.import_module(self.module)
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, self._deadly(getattr(owner, name)))

    def _deadly(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def deadly(*arguments: Any, **named: Any) -> Any:
            if self.when == "before":
                _die()
            if self.when == "during":
                threading.Timer(self.seconds, _die).start()
            result = function(*arguments, **named)
            # What ended too early has not been killed in the middle, and the test is told.
            os._exit(3) if self.when == "during" else _die()
            return result

        return deadly


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(
    environment: Environment, endpoints: Endpoints, market: str, as_of: datetime, log: Path, kill: Kill | None
) -> None:
    """Run the week, and write what it says to `log`, its outcome last."""
    from apps.trainer.weekly import WeeklyRun
    from libs.base import redis_lock

    redis_lock.HELD_S = HELD_S
    if kill is not None:
        kill.set_up()
    with log.open("a", encoding="utf-8") as file:
        weeks = WeeklyRun(environment, endpoints, as_of, lambda text: print(text, file=file, flush=True)).run([market])
        print(weeks[market].outcome, file=file)
