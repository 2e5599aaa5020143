"""Model versions in MLflow: one registered model per market of an environment, aliases for their roles.

The aliases are what people and MLflow's own pages see. They follow the ledger (see `libs.models.protocol`): MLflow
takes the last writer's word for an alias, so it cannot be where a change is decided. One moved by hand is moved back.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from mlflow.entities import Experiment, LifecycleStage, Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from libs.base.errors import DataError, TransientError
from libs.base.identifiers import market_name
from libs.models.contract import ModelRef
from libs.models.production import ENVIRONMENT_TAG

Role = Literal["champion", "challenger"]
ROLES: tuple[Role, ...] = ("champion", "challenger")

_FOLDER, _REPORT_FOLDER = "package", "report"
_PATH_TAG, _HASH_TAG, _REPORT_TAG = "fitwave.path", "fitwave.sha256", "fitwave.report"


@dataclass(frozen=True)
class Version:
    """One registered version."""

    market: str
    number: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def ref(self) -> ModelRef:
        """Where its package is, for a replica."""
        return ModelRef(self.number, self.tags[_PATH_TAG], self.tags[_HASH_TAG])

    @property
    def report(self) -> Path | None:
        """Where its report for people is; none where it has none."""
        path = self.tags.get(_REPORT_TAG)
        return Path(path) if path else None


@dataclass(frozen=True)
class Erased:
    """How many there were. Not `for_good`: what the server keeps of them goes with `mlflow gc` on its machine."""

    models: int
    experiments: int
    runs: int
    for_good: bool


class Registry:
    """One environment's registered models."""

    def __init__(self, environment: str, mlflow_uri: str, artifacts: Path) -> None:
        self._environment = environment
        self._artifacts = artifacts
        self._uri = mlflow_uri
        self._owner = {ENVIRONMENT_TAG: environment}
        # Seconds, where MLflow itself would try for minutes; a weekly job that cannot register is run again.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with self._reachable():
            self._client = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)

    def model_name(self, market: str) -> str:
        """The market's registered model."""
        return market_name(self._environment, market)

    def register(
        self,
        market: str,
        package: Path,
        sha256: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        report: Path | None = None,
    ) -> Version:
        """Log a package with its metrics, and its report beside it, and register it as the market's next version."""
        with self._reachable():
            name = f"{market}-{tags.get('as_of', '')}"
            run = self._client.create_run(self._experiment(market), run_name=name, tags=dict(tags))
            run_id = run.info.run_id
            for name, value in metrics.items():
                self._client.log_metric(run_id, name, value)
            self._client.log_artifacts(run_id, str(package), _FOLDER)
            paths = {_PATH_TAG: self._kept(run, _FOLDER)}
            if report is not None:
                self._client.log_artifact(run_id, str(report), _REPORT_FOLDER)
                paths[_REPORT_TAG] = self._kept(run, f"{_REPORT_FOLDER}/{report.name}")
            self._client.set_terminated(run_id)
            version = self._client.create_model_version(
                self._ensure_model(market),
                source=f"{run.info.artifact_uri}/{_FOLDER}",
                run_id=run_id,
                tags={**tags, **paths, _HASH_TAG: sha256},
            )
        return self._version(market, version)

    def _kept(self, run: Run, name: str) -> str:
        """Where an artifact stays for whoever needs it on this machine: where it was logged, or a copy."""
        if folder := _local(run):
            return str(folder / name)
        # Left to itself, MLflow copies into a temporary folder, which is gone with the next start of the machine.
        copies = self._artifacts.parent / "copies" / run.info.run_id
        copies.mkdir(parents=True, exist_ok=True)
        return str(self._client.download_artifacts(run.info.run_id, name, str(copies)))

    def holders(self, market: str) -> dict[Role, Version]:
        """Who has which role now; a role that nobody has is not in it."""
        with self._reachable():
            try:
                aliases = self._client.get_registered_model(self.model_name(market)).aliases
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
        return {role: self.version(market, str(aliases[role])) for role in ROLES if role in aliases}

    def holder(self, market: str, role: Role) -> Version | None:
        """The version that has this role now, if any."""
        return self.holders(market).get(role)

    def assign(self, market: str, role: Role, version: str | None) -> None:
        """Give the role to a version, or to nobody."""
        holder = self.holder(market, role)
        if version == (holder.number if holder else None):
            return
        with self._reachable():
            if version is None:
                self._client.delete_registered_model_alias(self.model_name(market), role)
            else:
                self._client.set_registered_model_alias(self.model_name(market), role, version)

    def tag(self, market: str, version: str, tags: Mapping[str, str]) -> None:
        """Add tags to a version."""
        with self._reachable():
            for name, value in tags.items():
                self._client.set_model_version_tag(self.model_name(market), version, name, value)

    def tag_where_different(self, market: str, tags: Mapping[str, Mapping[str, str]]) -> None:
        """Add these tags, by version, where they are not there yet; versions that are gone are left out."""
        for version in self.versions(market) if tags else ():
            wanted = tags.get(version.number, {})
            if any(version.tags.get(name) != value for name, value in wanted.items()):
                self.tag(market, version.number, wanted)

    def version(self, market: str, number: str) -> Version:
        """Raises: DataError: the market has no such version."""
        with self._reachable():
            try:
                return self._version(market, self._client.get_model_version(self.model_name(market), number))
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    raise DataError(
                        f"market {market!r} has no version {number}; it has "
                        f"{[one.number for one in self.versions(market)]}"
                    ) from None
                raise

    def with_tag(self, market: str, name: str, value: str) -> Version | None:
        """The market's latest version with this tag, if any."""
        wanted = f"name = '{self.model_name(market)}' and tags.`{name}` = '{value}'"
        with self._reachable():
            found = [self._version(market, one) for one in self._client.search_model_versions(wanted)]
        return max(found, key=lambda one: int(one.number), default=None)

    def discard_unfinished(self, market: str, name: str, value: str) -> None:
        """Remove the runs with this tag that were killed before they became a version."""
        with self._reachable():
            for run in self._client.search_runs([self._experiment(market)], f"tags.`{name}` = '{value}'"):
                if not self._client.search_model_versions(f"run_id = '{run.info.run_id}'"):
                    self._client.delete_run(run.info.run_id)
                    if folder := _local(run):
                        shutil.rmtree(folder.parent, ignore_errors=True)

    def versions(self, market: str) -> list[Version]:
        """All versions of a market, oldest first."""
        with self._reachable():
            found = self._client.search_model_versions(f"name = '{self.model_name(market)}'")
        return sorted((self._version(market, one) for one in found), key=lambda one: int(one.number))

    def erase(self) -> Erased:
        """Remove every model, version, experiment and run of the environment, also of markets that it has no more.

        An MLflow server only takes experiments and runs out of sight; in a database they are gone.
        """
        with self._reachable():
            models = [one for one in self._models() if one.tags.get(ENVIRONMENT_TAG) == self._environment]
            for model in models:
                self._client.delete_registered_model(model.name)
            experiments = self._experiments()
            runs = sum(self._erase_experiment(one) for one in experiments)
        return Erased(len(models), len(experiments), runs, for_good=self._is_database)

    def _models(self) -> Iterator[RegisteredModel]:
        wanted, page = f"name LIKE '{market_name(self._environment, '')}%'", None
        while True:
            found = self._client.search_registered_models(wanted, page_token=page)
            yield from found
            if not (page := found.token):
                return

    def _experiments(self) -> list[Experiment]:
        wanted = f"tags.`{ENVIRONMENT_TAG}` = '{self._environment}'"
        # In a database one that was deleted by a killed run is still to be removed.
        view = ViewType.ALL if self._is_database else ViewType.ACTIVE_ONLY
        found: list[Experiment] = []
        page = None
        while True:
            some = self._client.search_experiments(view, filter_string=wanted, page_token=page)
            found += some
            if not (page := some.token):
                return found

    def _erase_experiment(self, experiment: Experiment) -> int:
        """Remove an experiment with its runs; how many there were."""
        number, store, removed = experiment.experiment_id, self._client._tracking_client.store, 0
        while runs := self._client.search_runs([number], run_view_type=ViewType.ALL) if self._is_database else ():
            for run in runs:
                store._hard_delete_run(run.info.run_id)
            removed += len(runs)
        if experiment.lifecycle_stage == LifecycleStage.ACTIVE:
            # A deleted experiment keeps its name: a new environment of the same name could not have it.
            self._client.rename_experiment(number, f"{experiment.name}-destroyed-{secrets.token_hex(4)}")
            self._client.delete_experiment(number)
        if self._is_database:
            store._hard_delete_experiment(number)
        return removed

    @property
    def _is_database(self) -> bool:
        """Whether this process is at the database itself, where it may do what `mlflow gc` does."""
        return hasattr(self._client._tracking_client.store, "_hard_delete_run")

    def _version(self, market: str, found: ModelVersion) -> Version:
        return Version(market, str(found.version), str(found.run_id), dict(found.tags))

    def _experiment(self, market: str) -> str:
        name = self.model_name(market)
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = (self._artifacts / market).as_uri()
        return str(self._client.create_experiment(name, artifact_location=place, tags=self._owner))

    def _ensure_model(self, market: str) -> str:
        name = self.model_name(market)
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._client.create_registered_model(name, tags=self._owner)
        return name

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Say plainly when the store is away; what MLflow means by its own errors is decided where they are met."""
        try:
            yield
        except MlflowException as error:
            if error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
                raise TransientError(f"the MLflow store does not answer: {error}. Check mlflow_uri.") from error
            raise


def _local(run: Run) -> Path | None:
    """Where a run's artifacts are, if that is a folder of this machine."""
    place = urlsplit(run.info.artifact_uri)
    return Path(unquote(place.path)) if place.scheme in ("", "file") else None
