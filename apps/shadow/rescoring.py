"""Ask versions again about lines that have an outcome by now, with the features from before each line's order."""

import tempfile
from datetime import datetime
from pathlib import Path

import polars as pl

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.features.arrays import Floats
from libs.features.frames import requests_from_training
from libs.features.preprocess import Failed, preprocess
from libs.models.ordinal import log_losses
from libs.models.package import Package
from libs.models.rival import knows_until


def described(
    environment: Environment, endpoints: Endpoints, market: str, lines: pl.Series, until: datetime
) -> pl.DataFrame:
    """The training rows of these lines, of which there may be fewer: the market's rules hold here, too.

    Raises:
        DataError: the lake cannot be read.
        TransientError: the cluster is away.
    """
    config = environment.market(market)
    # Each line as it was, and not also as it might have been.
    training = config.training.model_copy(update={"shuffled_orders": 0})
    runs = environment.home / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"review-{market}-", dir=runs) as folder, connected(endpoints):
        asked = {market: config.model_copy(update={"training": training})}
        prepared = preprocess(environment.lake, asked, until, Path(folder))[market]
        if isinstance(prepared, Failed):
            raise DataError(prepared.reason)
        rows = pl.scan_parquet(f"{prepared.training_path}/*.parquet")
        return rows.join(lines.to_frame("line_id").lazy(), on="line_id", how="semi").collect()


def score(lines: pl.DataFrame, rows: pl.DataFrame, previous: Package, promoted: Package) -> pl.DataFrame:
    """The lines with the log loss of both versions on their outcome, of the size that was bought.

    Shape: lines (n), training rows (m) -> those in both that neither version has learnt from, + `previous`, `promoted`.
    """
    learnt = max(knows_until(one.card) for one in (previous, promoted))
    unseen = rows.filter(pl.col("ordered_at") > learnt)
    labelled = unseen.select("line_id").join(lines, on="line_id", how="left", maintain_order="left")
    return labelled.with_columns(
        previous=pl.Series(_losses(previous, unseen, labelled), dtype=pl.Float64),
        promoted=pl.Series(_losses(promoted, unseen, labelled), dtype=pl.Float64),
    )


def _losses(package: Package, rows: pl.DataFrame, labelled: pl.DataFrame) -> Floats:
    return log_losses(package.predict(requests_from_training(rows).of_chosen()), labelled["outcome"].to_numpy())
