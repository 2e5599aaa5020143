"""The validation gate of a market's week: what is found is kept as a page, and what is blocked ends the week."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from libs.base.identifiers import week_name
from libs.base.market import Market
from libs.features.preprocess import Prepared
from libs.features.validation.checks import Finding, check_profile, check_shifts
from libs.features.validation.profile import Profile
from libs.models.distributions import PREDICTION
from libs.models.market_training import Trained


@dataclass
class Gate:
    """One market's week at the gate. `folder` keeps the profiles of all weeks, and the pages."""

    folder: Path
    market: Market
    as_of: datetime
    findings: list[Finding] = field(default_factory=list)
    volumes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Note that the delivery could not be used at all."""
        self.findings.append(Finding("delivery", self.market.name, "blocked", reason, 1, 0))

    def check_tables(self, prepared: Prepared) -> list[str]:
        """Check the week's tables, and keep their profile for the weeks to come; the reasons that block the week.

        Raises:
            DataError: the market's config names a column that is not there.
        """
        before = Profile.before(self.folder, self.market.name, self.as_of)
        self.findings += check_profile(self.market.validation, prepared.profile, before, prepared.left_out)
        if before is not None:
            self.volumes = {
                name: (before.tables[name].recent, table.recent) for name, table in prepared.profile.tables.items()
            }
        blocking = self._blocking()
        if not blocking:
            prepared.profile.save(self.folder)
        return blocking

    def check_shifts(self, trained: Trained) -> list[str]:
        """Check how far the champion's inputs and answers have moved since it was trained; the reasons that block."""
        self.shifts = trained.shifts
        against = f"what champion v{trained.champion_version} was trained on"
        self.findings += check_shifts(self.market.validation, trained.shifts, PREDICTION, against)
        return self._blocking()

    def warnings(self) -> list[str]:
        """What is worth a look; inputs that have shifted, of which there may be dozens, in one sentence."""
        warned = [one for one in self.findings if one.status == "warning"]
        inputs = [one for one in warned if one.check == "features"]
        told = [one.told for one in warned if one.check != "features"]
        if inputs:
            told.append(f"{len(inputs)} of {len(self.shifts) - 1} inputs of the model; most of all {inputs[0].told}")
        return told

    def _blocking(self) -> list[str]:
        return [one.told for one in self.findings if one.status == "blocked"]

    def write_page(self) -> Path:
        """Write what was found for people; where it is."""
        # Plots are for whoever has something to draw.
        from libs.models.report.validation import ValidationPage

        path = self.folder / self.market.name / f"{week_name(self.as_of)}.html"
        ValidationPage(
            title="Validation",
            market=self.market.name,
            about=f"Deliveries up to {self.as_of:%Y-%m-%d %H:%M} UTC, beside the week before",
            findings=self.findings,
            volumes=self.volumes,
            shifts=self.shifts,
            shift_bound=self.market.validation.max_feature_shift,
        ).write(path)
        return path
