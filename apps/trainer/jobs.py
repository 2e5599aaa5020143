"""The weekly job as Ray job submissions: one may run several markets of one cut-off."""

import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ray.dashboard.modules.job.common import JobStatus
from ray.job_submission import JobSubmissionClient

from apps.trainer.code_tag import TRAVELLED, current_commit
from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, Environment
from libs.base.errors import DataError, TransientError

_ENVIRONMENT, _MARKETS, _AS_OF, _ROLE = "fitwave_environment", "fitwave_markets", "fitwave_as_of", "fitwave_role"
_SCHEDULER = "scheduler"
_AT_WORK = (JobStatus.PENDING, JobStatus.RUNNING)
# In the name of a job of several markets; the others are in its metadata.
_NAMED = 3


class TrainerJobs:
    """Submits one environment's jobs, and asks after them."""

    def __init__(self, environment: Environment, endpoints: Endpoints) -> None:
        """Raises: TransientError: Ray's dashboard is away."""
        self._environment = environment
        self._dashboard = endpoints.ray_dashboard_url
        try:
            self._client = JobSubmissionClient(self._dashboard)
        except (OSError, RuntimeError) as error:
            raise TransientError(f"no Ray dashboard answers at {self._dashboard}: {error}") from error

    def require_clean(self) -> None:
        """See that the code which would be sent is that of its commit, where it is sent.

        Raises:
            DataError: it has changes that no commit holds.
        """
        if self._environment.ray_address and current_commit(self._environment.code).dirty:
            raise DataError(
                f"{self._environment.code.repository} has changes that no commit holds, and would be sent to the "
                f"cluster with them: commit them, or say --allow-dirty, and the version is marked."
            )

    def new_id(self, markets: Sequence[str], as_of: datetime) -> str:
        """A name for a job."""
        named = "-".join(markets[:_NAMED]) + (f"-and-{len(markets) - _NAMED}-more" if len(markets) > _NAMED else "")
        return self._new_id(f"{named}-{as_of:%Y%m%d}")

    def run(self, job: str, markets: Sequence[str], as_of: datetime) -> None:
        """Have the week of these markets run by a job of this name.

        Raises:
            TransientError: Ray does not take it.
        """
        command = ["run", "--queued", "--as-of", as_of.isoformat()]
        for market in markets:
            command += ["--market", market]
        self._submit(job, command, {_MARKETS: ",".join(markets), _AS_OF: as_of.isoformat()})

    def dispatch(self) -> None:
        """Have a dispatcher admit what is queued."""
        self._submit(self._new_id("dispatcher"), ["dispatch"], {_ROLE: "dispatcher"})

    def schedule(self) -> str:
        """Have a scheduler run for as long as the cluster; its job's name.

        Raises:
            DataError: there is one.
        """
        if found := self.schedulers():
            raise DataError(f"the scheduler of environment {self._environment.name!r} is running, as {found[0]}")
        job = self._new_id(_SCHEDULER)
        self._submit(job, ["schedule", "run"], {_ROLE: _SCHEDULER})
        return job

    def schedulers(self) -> list[str]:
        """The schedulers that are at work."""
        return [
            str(job.submission_id)
            for job in self._client.list_jobs()
            if (job.metadata or {}).get(_ROLE) == _SCHEDULER
            and (job.metadata or {}).get(_ENVIRONMENT) == self._environment.name
            and job.status in _AT_WORK
        ]

    def stop(self, job: str) -> None:
        """Stop a job."""
        self._client.stop_job(job)

    def fault(self, job: str) -> str | None:
        """Why a job is not at work any more; None while it is."""
        try:
            details = self._client.get_job_info(job)
        except (OSError, RuntimeError) as error:
            if "does not exist" not in str(error):
                raise TransientError(f"Ray's dashboard does not answer: {error}") from error
            return f"job {job} is not known to the cluster: was it started anew?"
        if details.status in _AT_WORK:
            return None
        return f"job {job} ended ({JobStatus(details.status).value.lower()}) and did not say what came of the week"

    def logs(self, job: str) -> str:
        """What a job has printed so far.

        Raises:
            DataError: there is no such job.
        """
        try:
            return str(self._client.get_job_logs(job))
        except RuntimeError as error:
            raise DataError(f"no logs of job {job!r} ({error}); see `fitwave trainer jobs`") from error

    def link(self, job: str) -> str:
        """Where a job and its logs can be looked at."""
        return f"{self._dashboard}/#/jobs/{job}"

    def _new_id(self, what: str) -> str:
        return f"fitwave-{self._environment.name}-{what}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"

    def _submit(self, job: str, command: Sequence[str], metadata: dict[str, str]) -> None:
        name = self._environment.name
        try:
            self._client.submit_job(
                entrypoint=shlex.join([self._python(), "-m", "apps.trainer", *command, "--environment", name]),
                submission_id=job,
                runtime_env=self._runtime_env(),
                metadata={_ENVIRONMENT: name, **metadata},
            )
        except (OSError, RuntimeError) as error:
            raise TransientError(f"Ray does not take job {job}: {error}") from error

    def _python(self) -> str:
        """The embedded cluster shares this virtual environment; another cluster brings its own Python."""
        return "python" if self._environment.ray_address else sys.executable

    def _runtime_env(self) -> dict[str, Any]:
        """Where the job finds code, configuration and state: on the embedded cluster in this checkout; another is sent
        the code, and with it the commit, for there is no checkout to ask.
        """
        variables = {"FITWAVE_STATE_DIR": str(self._environment.state_dir)}
        if config := os.environ.get("FITWAVE_CONFIG"):
            variables["FITWAVE_CONFIG"] = config
        if self._environment.ray_address:
            variables[TRAVELLED] = str(current_commit(self._environment.code))
            return {"working_dir": str(REPOSITORY), "env_vars": variables}
        return {"env_vars": variables | {"PYTHONPATH": str(REPOSITORY)}}
