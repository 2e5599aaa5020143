"""What a report is written from."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from libs.base.market import Market
from libs.features.rules import FunnelStep
from libs.models.package import Package
from libs.models.standards import Judgement


@dataclass(frozen=True)
class Champion:
    """The live model a version is compared with."""

    version: str
    package: Package


@dataclass(frozen=True)
class ReportMaterial:
    """One trained version, what it is measured on and compared with.

    `holdout` holds the training table's rows of that split, with all sizes of their articles; `funnel` says what became
    of the market's order lines before them, and may be empty. Of a large holdout it has one line in `one_in`.
    """

    market: Market
    package: Package
    champion: Champion | None
    holdout: pl.DataFrame
    judgement: Judgement
    funnel: Sequence[FunnelStep] = ()
    one_in: int = 1
