"""How fast a request is answered, beside what an engineer would write or pick instead, on this machine in one run.

`python -m benchmarks.serving --out OUT.json --page docs/performance.md`
"""

import json
import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.serving import figures
from benchmarks.serving.load import Seen, Target, load, require_wrk
from benchmarks.serving.page import write_page
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from benchmarks.serving.stage import Stage
    from libs.base.endpoints import Endpoints

app = App(name="serving", help="Requests per second and latencies, beside the peers.")

_WARM_UP_S = 4.0
_WARM_UP_CONNECTIONS = 32
_QUESTIONS, _QUESTIONS_OF_MANY = 50_000, 5_000
# Turns with some mirrored and with none, and how long each takes.
_TURNS, _TURN_S = 120, 1.0


@app.default
def serving(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table and plot are made anew.")] = None,
    rounds: Annotated[int, Parameter(help="How often every arm has its turn.")] = 3,
    seconds: Annotated[float, Parameter(help="How long each measurement takes.")] = 6.0,
) -> None:
    """Measure all arms in alternating order and write the medians and the ratios."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if rounds < 1 or seconds <= 0:
        raise DataError("--rounds and --seconds must be positive")
    require_wrk()
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, rounds, seconds)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if page is not None:
        write_page(found, page)
    for bar in figures.BARS:
        print(f"{bar.ratio:28} {found[bar.ratio]:8.3f}   {'reached' if bar.reached(found[bar.ratio]) else 'MISSED'}")


def _run(environment: Environment, endpoints: "Endpoints", rounds: int, seconds: float) -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.peers.servers import install_bentoml
    from benchmarks.serving.stage import set_up

    install_bentoml()
    stage = set_up(environment, endpoints)
    one, many = stage.target(_QUESTIONS), stage.target(_QUESTIONS_OF_MANY, figures.MANY)
    arms = _arms(stage, one)
    measured: dict[str, dict[int, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    seen_many: list[Seen] = []
    for round_ in range(rounds):
        # Back and forth, so that what drifts on the machine does not always meet the same arm.
        for name in list(arms) if round_ % 2 == 0 else list(reversed(arms)):
            with arms[name]() as target:
                load(target, _WARM_UP_CONNECTIONS, _WARM_UP_S)
                for connections in figures.CONNECTIONS:
                    measured[name][connections].append(load(target, connections, seconds))
                    _say(round_, name, connections, measured[name][connections][-1])
                if name == figures.FITWAVE:
                    seen_many.append(load(many, 1, seconds))
                    _say(round_, f"{name}, {figures.MANY} articles", 1, seen_many[-1])
    mirrored, unmirrored = _turns(stage, one)
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "rounds": rounds, "seconds": seconds}
    machine |= {"customers": len(stage.customers), "articles": len(stage.articles)}
    return figures.document(measured, figures.Alone(seen_many, mirrored, unmirrored), machine)


def _turns(stage: "Stage", everyone: Target) -> tuple[list[Seen], list[Seen]]:
    """One connection that asks about everyone, 20 % of whom are mirrored, and one that asks about the others alone, in
    turns and alternating order on one deployment.
    """
    stage.deploy(mirrored=True)
    targets = {True: everyone, False: stage.target(_QUESTIONS, sampled=False)}
    load(everyone, _WARM_UP_CONNECTIONS, _WARM_UP_S)
    seen: dict[bool, list[Seen]] = {True: [], False: []}
    for turn in range(_TURNS):
        for mirrored in (True, False) if turn % 2 == 0 else (False, True):
            seen[mirrored].append(load(targets[mirrored], 1, _TURN_S))
            _say(turn, f"fitwave, {'some' if mirrored else 'none'} mirrored", 1, seen[mirrored][-1])
    return seen[True], seen[False]


def _arms(stage: "Stage", recommend: Target) -> dict[str, Callable[[], AbstractContextManager[Target]]]:
    """Everything that is measured, by name: a context that has it running and tells where to ask."""
    from benchmarks.serving.peers import servers

    @contextmanager
    def fitwave(target: Target, *, mirrored: bool = False) -> Iterator[Target]:
        stage.deploy(mirrored=mirrored)
        yield target

    @contextmanager
    def peer(running: AbstractContextManager[str]) -> Iterator[Target]:
        with running as url:
            yield Target(url, None, recommend.bodies)

    return {
        figures.FITWAVE: lambda: fitwave(recommend),
        figures.MONOLITH: lambda: peer(servers.monolith(stage, keeps_articles=True)),
        figures.MIRRORED: lambda: fitwave(recommend, mirrored=True),
        figures.UNCACHED: lambda: peer(servers.monolith(stage, keeps_articles=False)),
        figures.BENTOML: lambda: peer(servers.bentoml(stage)),
        figures.NAIVE: lambda: peer(servers.naive(stage)),
        figures.EMPTY: lambda: fitwave(Target(f"{stage.url}/healthz")),
    }


def _say(round_: int, name: str, connections: int, seen: Seen) -> None:
    print(
        f"round {round_ + 1}  {name:24} {connections:4} connections  {seen.per_s:8.1f}/s  "
        f"p50 {seen.p50_ms:7.2f} ms  p99 {seen.p99_ms:7.2f} ms  errors {seen.errors}",
        flush=True,
    )


if __name__ == "__main__":
    console.run(app)
