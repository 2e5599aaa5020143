"""How well the product predicts fit on public data: its own import, features, training and scoring, end to end.

`python -m benchmarks.fit_quality --train FILE... --test FILE --out OUT.json`, or with one file,
`--train FILE --split random --seed 1 --out OUT.json`. The files are in the raw schema of the public RentTheRunway file.
"""

import json
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.rentals import Rentals, Split, read_both, split_one
from libs.base import console
from libs.base.environment import Environment, Trainer
from libs.base.errors import DataError

if TYPE_CHECKING:
    from benchmarks.unseen import Asked
    from libs.base.endpoints import Endpoints
    from libs.base.market import Market
    from libs.features.preprocess import Prepared

app = App(name="fit_quality", help="Fit quality on public data, through the product's own path.")

_MARKET = "us"
THREADS = 2


@app.default
def fit_quality(
    *,
    train: Annotated[list[Path], Parameter(help="Files to learn from, gzipped or plain.", consume_multiple=True)],
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    test: Annotated[Path | None, Parameter(help="The held-out file; without it, say --split.")] = None,
    split: Annotated[Split | None, Parameter(help="Part the files of --train 80:10:10, by chance or by days.")] = None,
    seed: Annotated[int, Parameter(help="Of the split by chance, and of the training.")] = 0,
) -> None:
    """Train on one part, ask about the other, and write how good the answers were."""
    if (test is None) == (split is None):
        raise DataError("say either --test FILE or --split random|time")
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    began = time.monotonic()
    rentals = read_both(train, test) if test is not None else split_one(train, split or "random", seed)
    for note in rentals.notes:
        print(note)
    with installed("quality") as (environment, endpoints):
        figures = _run(environment, endpoints, rentals, seed)
    figures["seconds"] = round(time.monotonic() - began, 1)
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def _run(environment: Environment, endpoints: "Endpoints", rentals: Rentals, seed: int) -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.unseen import ask
    from libs.base.cluster import connected
    from libs.models.assignment import Assignment
    from libs.models.fleet import train_fleet
    from libs.models.market_training import Untrained
    from libs.models.package import load

    with connected(endpoints):
        market, prepared = prepare(environment, rentals, seed)
        assignment = Assignment(market, prepared.training_path, environment.home / "model", prepared.labelled)
        trained = train_fleet([assignment], Trainer(workers=1, threads=THREADS))[market.name]
    if isinstance(trained, Untrained):
        raise DataError(f"training: {trained.reason}")
    return measured(ask(load(trained.folder, threads=THREADS), prepared, rentals.test))


def prepare(environment: Environment, rentals: Rentals, seed: int) -> "tuple[Market, Prepared]":
    """Import the rentals to learn from and build their features; Ray must be connected.

    Raises:
        DataError: no line is left.
    """
    from libs.features.lake import Lake
    from libs.features.preprocess import Failed, preprocess
    from libs.features.renttherunway import write_rentals

    configured = environment.market(_MARKET)
    market = configured.model_copy(update={"training": configured.training.model_copy(update={"seed": seed})})
    write_rentals(rentals.train, Lake.open(environment.lake), _MARKET, asking=rentals.test)
    # The moment at which the last outcome of the training files is known.
    as_of = max(one.at for one in rentals.train) + timedelta(days=market.label_maturity_days + 1)
    prepared = preprocess(environment.lake, {_MARKET: market}, as_of, environment.home / "run")[_MARKET]
    if isinstance(prepared, Failed):
        raise DataError(f"{prepared.stage}: {prepared.reason}")
    return market, prepared


def measured(asked: "Asked") -> dict[str, Any]:
    """The figures of a run; an area is null where the test file lacks one of the outcomes.

    Raises:
        DataError: nothing was answered.
    """
    from libs.models.evaluation import measure
    from libs.models.lines import Lines

    rows = len(asked.outcomes)
    if rows == 0:
        raise DataError("no rental of the test file could be answered: none has an article and size that are online")
    customers, none = np.arange(rows).astype(object), np.zeros(rows)
    # No size was named: what depends on it is not among the figures.
    lines = Lines(customers, asked.predicted, asked.outcomes, none.astype(np.int64), none, none.astype(np.bool_))
    metrics = asdict(measure(lines))
    areas = ("auc_macro", "auc_weighted", "auc_small", "auc_fit", "auc_large")
    return {
        **{name: metrics[name] for name in (*areas, "log_loss")},
        "ece": metrics["calibration_error"],
        "monotonicity_violations": asked.violations,
        "rows": rows,
        "unanswered": asked.unanswered,
        "sizes_answered": asked.sizes,
    }


if __name__ == "__main__":
    console.run(app)
