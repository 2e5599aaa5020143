"""What a worker is told of a market that it trains. Imports next to nothing: the controller of a group reads it too."""

from dataclasses import dataclass
from pathlib import Path

from libs.base.market import Market
from libs.features.rules import FunnelStep
from libs.models.contract import ModelRef

RESULT_FILE, REPORT_FILE = "evaluation.json", "report.html"


@dataclass(frozen=True)
class Assignment:
    """One market to train: its table, the folder for what comes of it, how large it is, the live model to compare with,
    and what the rules let through for its report to tell.
    """

    market: Market
    training_path: str
    folder: Path
    lines: int
    champion: ModelRef | None = None
    funnel: tuple[FunnelStep, ...] = ()

    @property
    def checkpoint(self) -> Path:
        """The booster so far, which outlives a training that is begun again."""
        return self.beside("checkpoint.ubj")

    @property
    def report(self) -> Path:
        """The report for people: beside the package and no part of it."""
        return self.beside("report") / REPORT_FILE

    def beside(self, what: str) -> Path:
        """Something of this training that is kept beside its folder."""
        # No market's name has a dot, so nothing else has this name.
        return self.folder.with_name(f"{self.folder.name}.{what}")

    @property
    def done(self) -> bool:
        """Whether the market has been trained, or refused."""
        return (self.folder / RESULT_FILE).exists()
