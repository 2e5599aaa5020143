"""One app's jobs on an environment's Ray cluster."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ray.dashboard.modules.job.common import JobStatus
from ray.job_submission import JobSubmissionClient

from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, Environment
from libs.base.errors import DataError, TransientError

_ENVIRONMENT, _ROLE = "fitwave_environment", "fitwave_role"
# The variable in which a job finds its own name.
JOB = "FITWAVE_JOB"
AT_WORK = (JobStatus.PENDING, JobStatus.RUNNING)


class ClusterJobs:
    """Submits jobs of `python -m <module>`, and asks after them."""

    def __init__(self, environment: Environment, endpoints: Endpoints, module: str) -> None:
        """Raises: TransientError: Ray's dashboard is away."""
        self._environment, self._module = environment, module
        self.dashboard = endpoints.ray_dashboard_url
        try:
            self.client = JobSubmissionClient(self.dashboard)
        except (OSError, RuntimeError) as error:
            raise TransientError(f"no Ray dashboard answers at {self.dashboard}: {error}") from error

    def new_id(self, what: str) -> str:
        """A name for a job that no other has."""
        return f"fitwave-{self._environment.name}-{what}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"

    def submit(
        self, job: str, command: Sequence[str], metadata: Mapping[str, str], variables: Mapping[str, str] | None = None
    ) -> None:
        """Have a command of the module run by a job of this name.

        Raises:
            TransientError: Ray does not take it.
        """
        name = self._environment.name
        try:
            self.client.submit_job(
                entrypoint=shlex.join([self._python(), "-m", self._module, *command, "--environment", name]),
                submission_id=job,
                runtime_env=self._runtime_env({JOB: job, **(variables or {})}),
                metadata={_ENVIRONMENT: name, **metadata},
            )
        except (OSError, RuntimeError) as error:
            raise TransientError(f"Ray does not take job {job}: {error}") from error

    def keep_running(self, role: str, command: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
        """Have the only job of a role run a command for as long as the cluster; its name.

        Raises:
            DataError: there is one.
            TransientError: Ray does not take it.
        """
        if found := self.at_work(role):
            raise DataError(f"the {role} of environment {self._environment.name!r} is running, as {found[0]}")
        job = self.new_id(role)
        self.submit(job, command, {_ROLE: role}, variables)
        return job

    def at_work(self, role: str | None = None) -> list[str]:
        """The environment's jobs that are at work, of all modules; with `role`, those of this role."""
        wanted = {_ENVIRONMENT: self._environment.name} | ({_ROLE: role} if role else {})
        return [
            str(job.submission_id)
            for job in self.client.list_jobs()
            if job.status in AT_WORK and wanted.items() <= (job.metadata or {}).items()
        ]

    def stop_role(self, role: str) -> list[str]:
        """Stop the environment's jobs of this role; which these were."""
        for job in (found := self.at_work(role)):
            self.client.stop_job(job)
        return found

    def _python(self) -> str:
        """The embedded cluster shares this virtual environment; another cluster brings its own Python."""
        return "python" if self._environment.ray_address else sys.executable

    def _runtime_env(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """Where the job finds code, configuration and state: on the embedded cluster in this checkout; another is sent
        the code.
        """
        found = {"FITWAVE_STATE_DIR": str(self._environment.state_dir), **variables}
        if config := os.environ.get("FITWAVE_CONFIG"):
            found["FITWAVE_CONFIG"] = config
        if self._environment.ray_address:
            return {"working_dir": str(REPOSITORY), "env_vars": found}
        return {"env_vars": found | {"PYTHONPATH": str(REPOSITORY)}}
