"""The weekly job as Ray job submissions: one per market, fire and forget."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ray.dashboard.modules.job.common import JobStatus
from ray.job_submission import JobDetails, JobSubmissionClient

from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, Environment
from libs.base.errors import DataError, TransientError

_ENVIRONMENT, _MARKET, _AS_OF = "fitwave_environment", "fitwave_market", "fitwave_as_of"


@dataclass(frozen=True)
class Job:
    """One submitted market week."""

    id: str
    market: str
    as_of: str
    status: str
    started: datetime | None
    ended: datetime | None
    message: str


class TrainerJobs:
    """Submits and lists one environment's jobs."""

    def __init__(self, environment: Environment, endpoints: Endpoints) -> None:
        """Raises: TransientError: Ray's dashboard is away."""
        self._environment = environment
        try:
            self._client = JobSubmissionClient(endpoints.ray_dashboard_url)
        except (ConnectionError, RuntimeError) as error:
            raise TransientError(f"no Ray dashboard answers at {endpoints.ray_dashboard_url}: {error}") from error

    def submit(self, markets: Sequence[str], as_of: datetime) -> list[str]:
        """Submit one job per market; returns their ids at once. Nothing is submitted if a market is unknown.

        Raises:
            DataError: a market is unknown.
        """
        for market in markets:
            self._environment.market(market)
        return [self._submit_one(market, as_of) for market in markets]

    def _submit_one(self, market: str, as_of: datetime) -> str:
        name = self._environment.name
        command = [self._python(), "-m", "apps.trainer", "run", "--environment", name]
        command += ["--market", market, "--as-of", as_of.isoformat()]
        return self._client.submit_job(
            entrypoint=shlex.join(command),
            submission_id=f"fitwave-{name}-{market}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
            runtime_env=self._runtime_env(),
            metadata={_ENVIRONMENT: name, _MARKET: market, _AS_OF: as_of.isoformat()},
        )

    def _python(self) -> str:
        """The embedded cluster shares this virtual environment; another cluster brings its own Python."""
        return "python" if self._environment.ray_address else sys.executable

    def _runtime_env(self) -> dict[str, Any]:
        """Where the job finds code, configuration and state: on the embedded cluster in this checkout."""
        variables = {"FITWAVE_STATE_DIR": str(self._environment.state_dir)}
        if config := os.environ.get("FITWAVE_CONFIG"):
            variables["FITWAVE_CONFIG"] = config
        if self._environment.ray_address:
            return {"working_dir": str(REPOSITORY), "env_vars": variables}
        return {"env_vars": variables | {"PYTHONPATH": str(REPOSITORY)}}

    def list(self) -> list[Job]:
        """This environment's jobs, newest first."""
        found = [job for job in self._client.list_jobs() if (job.metadata or {}).get(_ENVIRONMENT) == self._name]
        return sorted(map(_job, found), key=lambda job: job.id, reverse=True)

    @property
    def _name(self) -> str:
        return self._environment.name

    def logs(self, job_id: str) -> str:
        """What a job has printed so far.

        Raises:
            DataError: there is no such job.
        """
        if job_id not in {job.id for job in self.list()}:
            raise DataError(f"no job {job_id!r} in environment {self._name!r}; see `fitwave trainer jobs`")
        return str(self._client.get_job_logs(job_id))


def _job(details: JobDetails) -> Job:
    metadata = details.metadata or {}
    return Job(
        id=str(details.submission_id),
        market=metadata.get(_MARKET, "?"),
        as_of=metadata.get(_AS_OF, "?"),
        status=JobStatus(details.status).value.lower(),
        started=_time(details.start_time),
        ended=_time(details.end_time),
        message=details.message or "",
    )


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
