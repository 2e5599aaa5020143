"""What each family of features buys: the same market fitted without it, and asked about the same unseen rentals.

`python -m benchmarks.ablation --train FILE --split random --seed 1 --out OUT.json`
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from benchmarks.fit_quality import THREADS, measured, prepare
from benchmarks.installation import installed
from benchmarks.rentals import Rentals, Split, split_one
from libs.base import console
from libs.base.environment import Environment
from libs.features.assembly import CHOSEN, FEATURES
from libs.features.columns import CUSTOMER_BODY

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints
    from libs.base.market import Training
    from libs.models.training import Fit

app = App(name="ablation", help="What each family of features buys on public data.")

_MEASURES = ("auc_macro", "auc_small", "auc_fit", "auc_large", "log_loss", "ece")
FAMILIES: Mapping[str, Sequence[str]] = {
    "body measures": CUSTOMER_BODY,
    "size the body suggests": ("gap_body",),
    "sizes the customer kept and returned": (
        *("gap_kept", "gap_small", "gap_large", "kept_n", "kept_spread", "small_n", "large_n"),
        *("gap_brand", "brand_kept_n"),
    ),
    "size expected of history and body, shifted by the article": (
        *("gap_expected", "gap_expected_here", "gap_small_here", "gap_large_here", "expected"),
        *("kept_offset", "small_offset", "large_offset"),
    ),
    "outcome rates, article to category": tuple(name for name in FEATURES if name.endswith("_rate")),
    "outcomes by size of the article": ("size_not_small", "size_large", "chosen_lines"),
    "place in the article's sizes": ("size_rank", "gap_article_kept", "size_step"),
    "everything about the chosen size": CHOSEN,
}


@app.default
def ablation(
    *,
    train: Annotated[list[Path], Parameter(help="Files to split.", consume_multiple=True)],
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    split: Annotated[Split, Parameter(help="By chance or by days.")] = "random",
    seed: Annotated[int, Parameter(help="Of the split by chance, and of the training.")] = 0,
) -> None:
    """Fit with everything, then once without each family."""
    rentals = split_one(train, split, seed)
    with installed("quality") as (environment, endpoints):
        found = _run(environment, endpoints, rentals, seed)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _run(environment: Environment, endpoints: "Endpoints", rentals: Rentals, seed: int) -> dict[str, dict[str, Any]]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.unseen import ask
    from libs.base.cluster import connected
    from libs.models.training import fit_market

    with connected(endpoints):
        market, prepared = prepare(environment, rentals, seed)
    found = {}
    for family in ("nothing", *FAMILIES):
        fitted = fit_market(market, prepared.training_path, None, THREADS, _without(FAMILIES.get(family, ())))
        figures = measured(ask(fitted.package, prepared, rentals.test))
        found[family] = {name: figures[name] for name in _MEASURES}
        print(family, {name: round(value, 4) for name, value in found[family].items()}, flush=True)
    return found


def _without(names: Sequence[str]) -> "Fit":
    """Fit without some features. A tree never asks for a column that was never known, so scoring stays as it is."""
    from libs.models.examples import LEARNED, learned, read_splits
    from libs.models.ordinal import fit_booster

    hidden = [FEATURES.index(name) for name in FEATURES if name.removeprefix("chosen_") in names or name in names]

    def fit(training_path: str, training: Training, threads: int) -> Any:
        matrix, outcomes = learned(read_splits(training_path, LEARNED))
        matrix[:, hidden] = np.nan
        return fit_booster(matrix, outcomes, training, threads)

    return fit


if __name__ == "__main__":
    console.run(app)
