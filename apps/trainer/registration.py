"""A trained model becomes a version: registered, tagged in the code, judged. Done again, it is the same version."""

import json
from dataclasses import asdict, dataclass

from apps.trainer.code_tag import Commit, tag_name, tag_version
from apps.trainer.origin import ORIGIN, Origin
from libs.base.environment import Environment
from libs.models.fingerprint import fingerprint
from libs.models.market_training import Trained
from libs.models.package import windows_of
from libs.models.production import maker_tags, require_fit
from libs.models.registry import Registry, Version

# What a tag may hold, and what somebody may want to read there.
_LONGEST_TAG = 500


@dataclass(frozen=True)
class Registration:
    """Where versions of one environment are registered, and the code that made them."""

    environment: Environment
    registry: Registry
    commit: Commit

    def require_allowed(self) -> None:
        """Raises: DataError: this environment takes no version that is made by this code."""
        require_fit(self.environment, "any version that is made now", self._maker)

    def register(self, trained: Trained, origin: Origin, warnings: list[str]) -> Version:
        """Make a version of it, unless the same origin has one, and tag the code with it.

        Raises:
            DataError: the code's tag is on another commit, or this environment takes no version of this code.
            TransientError: MLflow or the code's remote is away; done again, it goes on from here.
        """
        self.require_allowed()
        market, judgement = trained.market, trained.judgement
        version = self.registry.with_tag(market, ORIGIN, origin.digest)
        if version is None:
            measured = {name: value for name, value in asdict(trained.metrics).items() if value is not None}
            self.registry.discard_unfinished(market, ORIGIN, origin.digest)
            version = self.registry.register(
                market,
                trained.folder,
                fingerprint(trained.folder),
                measured | judgement.bounds,
                origin.tags()
                | self._maker
                | {
                    "fitwave.windows": json.dumps(windows_of(trained.folder)),
                    "fitwave.compared_with": trained.champion_version or "",
                    "fitwave.validation": "; ".join(warnings)[:_LONGEST_TAG] or "nothing found",
                    "fitwave.report_fault": trained.report_fault,
                    "fitwave.status": "accepted" if judgement.passed else "rejected",
                    "fitwave.reason": judgement.reason,
                },
                trained.report,
            )
        tag = self.tag_of(version)
        verdict = "accepted" if judgement.passed else f"rejected, {judgement.reason}"
        about = f"{market} v{version.number}, data until {origin.as_of:%Y-%m-%d}: {verdict}"
        tag_version(self.environment.code, tag, self.commit, about)
        self.registry.tag(market, version.number, {"fitwave.git_tag": tag})
        return version

    @property
    def _maker(self) -> dict[str, str]:
        return maker_tags(self.environment, self.commit.dirty)

    def tag_of(self, version: Version) -> str:
        """The name of a version's tag in the code."""
        return tag_name(self.environment.name, version.market, version.number)
