"""A change of roles in a process of its own, which kills itself or stands still on the way."""

import os
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any, Literal

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment

# What MLflow imports when a store is opened.
MLFLOW_STORES = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
# What such a process imports sooner or later, once for all of them.
PRELOADED = ["apps.shadow.promotion", *MLFLOW_STORES]
# How long a lock outlives its holder.
HELD_S = 0.6


@dataclass(frozen=True)
class Halt:
    """Before or after which step the process gets which signal."""

    when: Literal["before", "after"]
    step: str
    signal: Signals = SIGKILL

    def set_up(self) -> None:
        from libs.models.lifecycle import RoleStores

        do, todo = RoleStores.do, [(self.when, self.step)]

        def halting(stores: RoleStores, walk: Any) -> Any:
            halt_at("before", walk.step)
            seen = do(stores, walk)
            halt_at("after", walk.step)
            return seen

        def halt_at(when: Literal["before", "after"], step: str) -> None:
            # Once: a walk that has lost its lock comes by again.
            if (when, step) in todo:
                todo.clear()
                os.kill(os.getpid(), self.signal)

        RoleStores.do = halting  # type: ignore[assignment, method-assign]


def run(environment: Environment, endpoints: Endpoints, market: str, action: str, log: Path, halt: Halt | None) -> None:
    """Promote, reject, roll back or go on with a canary; what came of it is written to `log`."""
    from apps.shadow import promotion
    from libs.base import redis_lock
    from libs.base.errors import FitwaveError
    from libs.models.lifecycle import Lifecycle
    from libs.models.role_request import Request

    redis_lock.HELD_S = HELD_S
    if halt is not None:
        halt.set_up()
    lifecycle = Lifecycle.of(environment, endpoints)
    name, _, what = action.partition(" ")
    try:
        if name == "promote":
            promotion.promote(lifecycle, market, "test", {})
        elif name == "reject":
            promotion.reject(lifecycle, market, "test", {})
        elif name == "canary":
            lifecycle.change(Request("canary", (market,), reason="test", canary_share=float(what)))
        else:
            promotion.rollback(lifecycle, market, "test", what)
    except FitwaveError as error:
        log.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
    else:
        log.write_text("done", encoding="utf-8")
