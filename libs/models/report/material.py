"""What a report is written from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from libs.base.market import Market
from libs.features.rules import FunnelStep
from libs.models.lines import Lines
from libs.models.package import Package
from libs.models.rival import Rival
from libs.models.standards import Judgement


@dataclass(frozen=True)
class Champion:
    """The live model a version is compared with."""

    version: str
    package: Package


@dataclass(frozen=True)
class ReportMaterial:
    """One trained version, what it is measured on and compared with.

    `holdout` holds the training table's rows of that split, with all sizes of their articles; `lines` what the version
    answers to them, and `rival` what the champion does; `funnel` says what became of the market's order lines before
    them, and may be empty. Of a large holdout it has one line in `one_in`.
    """

    market: Market
    package: Package
    champion: Champion | None
    holdout: pl.DataFrame
    lines: Lines
    rival: Rival | None
    judgement: Judgement
    funnel: Sequence[FunnelStep] = ()
    one_in: int = 1

    def thinned(self, most: int) -> "ReportMaterial":
        """The same of no more than so many lines, evenly spread."""
        one_in = -(-len(self.holdout) // most)
        rows = np.arange(0, len(self.holdout), one_in)
        return replace(
            self,
            holdout=self.holdout.gather_every(one_in),
            lines=self.lines.of(rows),
            rival=self.rival.of(rows) if self.rival else None,
            one_in=one_in,
        )
