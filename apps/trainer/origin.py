"""What a model version was made from: written on the version as tags, and read from them to make it again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version as library_version

from apps.trainer.code_tag import Commit
from libs.base.errors import DataError
from libs.base.market import Market
from libs.features.lake import LakeVersion
from libs.models.registry import Version

_LIBRARIES = ("ray", "xgboost", "feast", "mlflow", "polars", "pyarrow")
_AS_OF, _LAKE, _COMMIT, _CHANGES, _CONFIG, _VERSIONS = (
    "as_of",
    "fitwave.lake",
    "fitwave.git_commit",
    "fitwave.git_changes",
    "fitwave.config_sha256",
    "fitwave.libraries",
)
# Of all the above together.
ORIGIN = "fitwave.origin_sha256"


@dataclass(frozen=True)
class Origin:
    """The data that were read and up to when, the commit and the market's config, and the libraries' versions.

    `changes` is a digest of what the working tree had that no commit holds; empty if there was nothing.
    """

    as_of: datetime
    lake: LakeVersion
    commit: str
    changes: str
    config_sha256: str
    libraries: dict[str, str]

    @classmethod
    def now(cls, as_of: datetime, lake: LakeVersion, commit: Commit, config: Market) -> "Origin":
        """The origin of what this process makes."""
        digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
        libraries = {name: library_version(name) for name in _LIBRARIES}
        return cls(as_of, lake, commit.sha, commit.changes, digest, libraries)

    @classmethod
    def of(cls, version: Version) -> "Origin":
        """The origin of a registered version.

        Raises:
            DataError: it was registered before versions of the lake were recorded.
        """
        tags = version.tags
        if _LAKE not in tags:
            raise DataError(
                f"version {version.number} of market {version.market!r} does not say what it was made from: it was "
                f"registered by an earlier release of Fitwave"
            )
        return cls(
            datetime.fromisoformat(tags[_AS_OF]),
            LakeVersion(**json.loads(tags[_LAKE])),
            tags[_COMMIT],
            tags.get(_CHANGES, ""),
            tags[_CONFIG],
            json.loads(tags[_VERSIONS]),
        )

    def tags(self) -> dict[str, str]:
        """The origin as a version's tags."""
        return {**self._tags(), ORIGIN: self.digest}

    @property
    def digest(self) -> str:
        """The same for the same origin: what is made from it is made once."""
        return hashlib.sha256(json.dumps(self._tags(), sort_keys=True).encode()).hexdigest()

    def _tags(self) -> dict[str, str]:
        return {
            _AS_OF: self.as_of.isoformat(),
            _LAKE: json.dumps(asdict(self.lake)),
            _COMMIT: self.commit,
            _CHANGES: self.changes,
            _CONFIG: self.config_sha256,
            _VERSIONS: json.dumps(self.libraries),
        }

    def differences(self, other: "Origin") -> list[str]:
        """What else than the data is not the same: reasons for another model."""
        found = []
        if self.commit != other.commit:
            found.append(f"the code is at {other.commit[:10]}, and was at {self.commit[:10]}")
        if self.changes != other.changes:
            found.append("changes that no commit holds are not the same")
        if self.config_sha256 != other.config_sha256:
            found.append("the market's config has changed")
        return found + [
            f"{name} is {other.libraries.get(name)}, and was {version}"
            for name, version in self.libraries.items()
            if other.libraries.get(name) != version
        ]
