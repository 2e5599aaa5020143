"""Promotions and rollbacks under load: how many requests fail, and how long a rollback takes.

`python -m benchmarks.promotion --out OUT.json --page docs/promotion.md`
"""

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.marks import report
from infra.demo.traffic import Shoppers, Tally, Traffic
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from benchmarks.serving.stage import Stage
    from libs.base.endpoints import Endpoints

app = App(name="promotion", help="Promotions and rollbacks under load: failed requests, seconds.")

_REQUESTS = 20_000
# Of traffic before and after each change.
_BETWEEN_S = 2.0
_BARS = {"failed_requests": 0.0, "rollback_s": 5.0}


@app.default
def promotion(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
    requests: Annotated[int, Parameter(help="How many requests there are at least.")] = _REQUESTS,
) -> None:
    """Deploy a challenger, promote it and roll it back, again and again, while customers ask."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if requests < 1:
        raise DataError("--requests must be positive")
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, requests)
    report(found, _table(found), "benchmarks.promotion", out, page)


def _run(environment: Environment, endpoints: "Endpoints", requests: int) -> dict[str, Any]:
    # Only now: this imports Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.stage import MARKET, set_up

    stage = set_up(environment, endpoints)
    changes = _changes(stage)
    changes["deploy_s"]()
    seconds: dict[str, list[float]] = defaultdict(list)
    with Traffic(stage.url, stage.key, {MARKET: Shoppers(stage.customers, stage.articles)}) as traffic:
        while traffic.tallies[MARKET].sent < requests:
            for name, change in changes.items():
                time.sleep(_BETWEEN_S)
                began = time.monotonic()
                change()
                seconds[name].append(time.monotonic() - began)
            print({name: round(took[-1], 2) for name, took in seconds.items()}, traffic.tallies[MARKET], flush=True)
        time.sleep(_BETWEEN_S)
    return figures(traffic.tallies[MARKET], seconds)


def _changes(stage: "Stage") -> dict[str, Callable[[], object]]:
    """What is done in each turn, in this order."""
    from apps.shadow.promotion import promote, rollback
    from benchmarks.serving.stage import MARKET
    from libs.models.fingerprint import fingerprint
    from libs.models.lifecycle import Lifecycle

    lifecycle, sha256 = Lifecycle.of(stage.environment, stage.endpoints), fingerprint(stage.package)

    def deploy() -> None:
        version = lifecycle.registry.register(MARKET, stage.package, sha256, {}, {"fitwave.status": "accepted"})
        lifecycle.go_live(version, {})

    return {
        "deploy_s": deploy,
        "promotion_s": lambda: promote(lifecycle, MARKET, "benchmark", {}),
        "rollback_s": lambda: rollback(lifecycle, MARKET, "benchmark"),
    }


def figures(tally: Tally, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """The figures of a run: what the callers saw, and the slowest of each change."""
    return {
        "failed_requests": tally.failed,
        **{name: round(max(took), 3) for name, took in seconds.items()},
        "requests": tally.sent,
        "turns": len(seconds["rollback_s"]),
        "failures": tally.failures,
        "versions": tally.versions,
        "seconds": {name: [round(one, 3) for one in took] for name, took in seconds.items()},
    }


def _table(found: dict[str, Any]) -> list[str]:
    meanings = {
        "failed_requests": f"failed requests of {found['requests']:,}, {found['turns']} promotions and rollbacks",
        "rollback_s": "seconds until a rollback is complete, the slowest",
    }
    lines = ["| | measured | bar | |", "|---|---|---|---|"]
    for name, bar in _BARS.items():
        verdict = "reached" if found[name] <= bar else "**missed**"
        lines.append(f"| {meanings[name]} | {found[name]:.3g} | at most {bar:g} | {verdict} |")
    return lines


if __name__ == "__main__":
    console.run(app)
