"""What abstaining costs and buys, and how good answers are by what they rest on, on a made-up market with known truth.

`python -m benchmarks.abstention --out OUT.json --figure docs/abstention.svg`
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from cyclopts import App, Parameter
from matplotlib.figure import Figure

from benchmarks.installation import installed
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.features.generator.deliveries import cut_off, deliver, true_best_sizes
from libs.features.generator.population import MarketPlan

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints
    from libs.features.preprocess import Prepared
    from libs.models.package import Package
    from libs.models.training import Fitted

app = App(name="abstention", help="Precision against coverage, and quality by fallback level.")

# The market `de` of the demo, with all of its history.
_PLAN = MarketPlan("de", customers=6_000, articles=800, lines_per_week=4_000, seed=1)
_THREADS = 2
_QUESTIONS = 20_000
_BATCH = 512
_POINTS = 25


@app.default
def abstention(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    figure: Annotated[Path | None, Parameter(help="Where a drawing of precision against coverage goes.")] = None,
) -> None:
    """Train on a made-up market, ask about customers and articles drawn by chance, and compare with the truth."""
    for path in (out, figure):
        if path is not None and not path.parent.is_dir():
            raise DataError(f"{path}: {path.parent} is no folder")
    with installed("demo") as (environment, endpoints):
        found = _run(environment, endpoints)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if figure is not None:
        _draw(found, figure)


def _run(environment: Environment, endpoints: "Endpoints") -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from libs.base.cluster import connected
    from libs.features.lake import Lake
    from libs.features.preprocess import Failed, preprocess
    from libs.models.training import fit_market

    market = environment.market(_PLAN.name)
    deliver(Lake.open(environment.lake), _PLAN, 0)
    with connected(endpoints):
        as_of = cut_off(_PLAN, 0)
        prepared = preprocess(environment.lake, {market.name: market}, as_of, environment.home / "run")[market.name]
    if isinstance(prepared, Failed):
        raise DataError(f"{prepared.stage}: {prepared.reason}")
    fitted = fit_market(market, prepared.training_path, None, _THREADS)
    named = ask(fitted.package, prepared)
    return {"by_threshold": _by_threshold(fitted, named), "by_basis": _by_basis(fitted, named)}


@dataclass(frozen=True)
class Named:
    """The size named in n answers: how sure the model was of it, whether it is truly the best, and what it rests on."""

    confidence: npt.NDArray[np.float64]
    best: npt.NDArray[np.bool_]
    basis: Sequence[str]


def ask(package: "Package", prepared: "Prepared") -> Named:
    """Ask about registered customers and online articles drawn by chance, as somebody who has chosen nothing yet."""
    from libs.features.snapshot import OnlineRow, snapshot
    from libs.models.explanation import Explainer
    from libs.models.lines import named_size

    now = datetime.fromisoformat(prepared.as_of)
    customers, articles = (pl.read_parquet(path) for path in (prepared.customers_path, prepared.articles_path))
    asked = (
        customers.sample(_QUESTIONS, with_replacement=True, seed=1),
        articles.sample(_QUESTIONS, with_replacement=True, seed=2),
    )
    truths = true_best_sizes(_PLAN, asked[0]["customer_id"].to_list(), asked[1]["article_id"].to_list())
    pairs = [
        (OnlineRow(customer, now), OnlineRow(article, now), truth)
        for customer, article, truth in zip(*(one.iter_rows(named=True) for one in asked), truths, strict=True)
        if truth is not None
    ]
    confidence, best, basis = [], [], []
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        seen = snapshot(list(range(len(batch))), [(customer, article) for customer, article, _ in batch])
        named, sure = named_size(package.predict(seen.requests), seen.requests.offsets)
        explainer = Explainer.of(seen)
        confidence.append(sure)
        best += [seen.sizes[row][size] == batch[row][2] for row, size in enumerate(named)]
        basis += ["/".join((of.customer, of.article)) for of in map(explainer.basis, range(len(batch)))]
    return Named(np.concatenate(confidence), np.array(best), basis)


def _by_threshold(fitted: "Fitted", named: Named) -> list[dict[str, Any]]:
    """Coverage; precision as a market sees it, on the holdout's purchases of the named size; and the truth."""
    from libs.features.frames import requests_from_training
    from libs.models.lines import named_size
    from libs.models.outcomes import FIT, outcome_codes

    requests = requests_from_training(fitted.holdout)
    size, sure = named_size(fitted.package.predict(requests.without_choice()), requests.offsets)
    bought = size == fitted.holdout["bought"].to_numpy()
    kept = np.equal(outcome_codes(fitted.holdout), FIT)
    rows = []
    for threshold in np.quantile(named.confidence, np.linspace(0, 1, _POINTS, endpoint=False)):
        answered, seen = named.confidence >= threshold, (sure >= threshold) & bought
        rows.append(
            {
                "min_confidence": float(threshold),
                "coverage": float(answered.mean()),
                "purchases": int(seen.sum()),
                "precision": float(kept[seen].mean()) if seen.any() else None,
                "truly_best": float(named.best[answered].mean()),
            }
        )
    return rows


def _by_basis(fitted: "Fitted", named: Named) -> dict[str, dict[str, Any]]:
    """Per fallback level: the measures of the holdout's lines that rest on it, and how often its answers are right."""
    basis = np.array(named.basis)
    slices = fitted.evaluation.slices
    found = {}
    for name in sorted(slices):
        if name.startswith("basis_"):
            answers = basis == name.removeprefix("basis_").replace("_", "/")
            measured = slices[name]
            found[name] = {
                "lines": measured.lines,
                "auc_macro": measured.auc_macro,
                "log_loss": measured.log_loss,
                "answers": int(answers.sum()),
                "mean_confidence": float(named.confidence[answers].mean()) if answers.any() else None,
                "truly_best": float(named.best[answers].mean()) if answers.any() else None,
            }
    return found


def _draw(found: dict[str, Any], path: Path) -> None:
    rows = found["by_threshold"]
    coverage = [row["coverage"] for row in rows]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(coverage, [row["precision"] for row in rows], label="kept, of purchases of the named size (precision)")
    axes.plot(coverage, [row["truly_best"] for row in rows], label="truly the best size, of all answers")
    axes.set(xlabel="share of questions answered (coverage)", ylabel="share", xlim=(0, 1.02), ylim=(0, 1))
    axes.grid(visible=True, linewidth=0.5)
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    console.run(app)
