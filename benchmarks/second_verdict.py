"""How often the second verdict on a promoted version is right, on made-up purchases whose truth is known.

`python -m benchmarks.second_verdict --out OUT.json --page docs/verdicts.md`
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from cyclopts import App, Parameter

from apps.shadow.second_verdict import ALL, Purchases, SecondVerdict, decide, differences
from benchmarks.marks import report
from libs.base import console
from libs.base.errors import DataError
from libs.base.market import ShadowWindow
from libs.features.arrays import Floats, Indices
from libs.models.ordinal import log_losses

app = App(name="second_verdict", help="False and missed demotions on made-up purchases with known truth.")

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# By how much a piece may be off and still fit, and how soon that turns, in sizes.
_ROOM, _BLUR = 0.7, 0.25
# A window is reviewed when so much of it is mature.
_REVIEWED = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class World:
    """How far the two models are off about a customer's size, in sizes, and what customers do.

    So many `follow` the size that they are shown, which is that of the model before. With `knowing`, all buy only where
    they see that it is right: what they know of themselves, no model does.
    """

    previous: float = 0.5
    promoted: float = 0.5
    following: float = 0.7
    knowing: bool = False
    customers: int = 1500
    lines: int = 2


WORLDS = {
    "equal": World(),
    "equal, all follow": World(following=1.0),
    "equal, only what fits is bought": World(knowing=True),
    "better by a fifth": World(promoted=0.4),
    "worse by a fifth": World(promoted=0.6),
    "worse by a fifth, only what fits is bought": World(promoted=0.6, knowing=True),
    "worse by two fifths": World(promoted=0.7),
}


@app.default
def second_verdict(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    windows: Annotated[int, Parameter(help="How many windows of each kind.")] = 200,
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
) -> None:
    """Review made-up windows of each kind with the product's own code, four times each."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if windows < 1:
        raise DataError(f"--windows {windows}: at least one")
    found = {name: _figures(world, windows) for name, world in WORLDS.items()}
    report({"worlds": found, "windows": windows}, _table(found, windows), "benchmarks.second_verdict", out, page)


def purchases(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """The lines of one window with both losses and their exposure, in the order in which they mature."""
    n = world.customers * world.lines
    right = rng.uniform(36, 48, n)
    shown_at, other_at = right + rng.normal(0, world.previous, n), right + rng.normal(0, world.promoted, n)
    shown, other = np.round(shown_at), np.round(other_at)
    bought = np.where(rng.random(n) < world.following, shown, np.round(right + rng.normal(0, 0.4, n)))
    outcome = (rng.random((n, 1)) > np.cumsum(_likely(bought, right, 0.0), axis=1)).sum(axis=1).clip(0, 2)
    hours = pl.Series(np.sort(rng.uniform(0, 168, n)) * 3.6e9).cast(pl.Duration("us"))
    lines = pl.DataFrame(
        {
            "customer": rng.integers(0, world.customers, n),
            "previous": _losses(bought, shown_at, world.previous, outcome),
            "promoted": _losses(bought, other_at, world.promoted, outcome),
            "same_size": shown == other,
            "not_followed": bought != shown,
            "led": (bought == shown) & (shown != other),
        }
    ).with_columns(matured_at=pl.lit(BEGIN + timedelta(days=28)).cast(pl.Datetime("us", "UTC")) + hours)
    return lines.filter(pl.Series(np.abs(bought - right) < _ROOM)) if world.knowing else lines


def reviews(rng: np.random.Generator, world: World) -> list[SecondVerdict]:
    """One window's second verdict at each review."""
    lines = purchases(rng, world)
    return [told(lines.head(int(part * len(lines))), complete=part == 1.0) for part in _REVIEWED]


def told(lines: pl.DataFrame, complete: bool = True, settings: ShadowWindow | None = None) -> SecondVerdict:
    """What is told of these lines."""
    window = settings or ShadowWindow()
    found = Purchases(len(lines), len(lines), len(lines), BEGIN + timedelta(days=35), complete)
    return decide(found, differences(lines, window.alpha), window)


def _likely(size: Floats, right: Floats, unsure: float) -> Floats:
    """P(small), P(fit), P(large), (n, 3), for who takes `right` for the size, give or take `unsure`."""
    blur = np.hypot(_BLUR, unsure / 1.7)
    small, large = (1 / (1 + np.exp(-(off - _ROOM) / blur)) for off in (right - size, size - right))
    found = np.column_stack([small, np.maximum(1 - small - large, 1e-3), large])
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _losses(size: Floats, right: Floats, unsure: float, outcome: Indices) -> Floats:
    return log_losses(_likely(size, right, unsure), outcome.astype(np.int8))


def _figures(world: World, windows: int) -> dict[str, Any]:
    looks = [reviews(np.random.default_rng(seed), world) for seed in range(windows)]
    of_all = [[one.differences[ALL].loss for one in each] for each in looks]
    return {
        **asdict(world),
        "more_log_loss": float(np.mean([each[-1].mean for each in of_all])),
        "demoted": sum(any(one.decision == "demote" for one in each) for each in looks) / windows,
        "by_all_lines_alone": sum(any(one.lower > 0 for one in each) for each in of_all) / windows,
        "confirmed": sum(any(one.decision == "confirm" for one in each) for each in looks) / windows,
    }


def _table(found: dict[str, dict[str, Any]], windows: int) -> Sequence[str]:
    return [
        f"| {windows} windows each: the promoted one is | log loss | demoted | all lines alone would | confirmed |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one['more_log_loss']:+.3f} | {one['demoted']:.1%} | {one['by_all_lines_alone']:.1%} | "
            f"{one['confirmed']:.1%} |"
            for name, one in found.items()
        ),
    ]


if __name__ == "__main__":
    console.run(app)
