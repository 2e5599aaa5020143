"""The weekly job as Ray job submissions: one may run several markets of one cut-off."""

from collections.abc import Sequence
from datetime import datetime

from ray.dashboard.modules.job.common import JobStatus

from apps.trainer.code_tag import TRAVELLED, current_commit
from libs.base.cluster_jobs import AT_WORK, ClusterJobs
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError, TransientError
from libs.models.production import maker_tags, require_fit

_MARKETS, _AS_OF = "fitwave_markets", "fitwave_as_of"
_SCHEDULER = "scheduler"
# In the name of a job of several markets; the others are in its metadata.
_NAMED = 3


class TrainerJobs:
    """Submits one environment's jobs, and asks after them."""

    def __init__(self, environment: Environment, endpoints: Endpoints) -> None:
        """Raises: TransientError: Ray's dashboard is away."""
        self._environment = environment
        self._jobs = ClusterJobs(environment, endpoints, "apps.trainer")

    def require_clean(self) -> None:
        """See that the code which would be sent is that of its commit, where it is sent.

        Raises:
            DataError: it has changes that no commit holds.
        """
        if not current_commit(self._environment.code).dirty:
            return
        require_fit(self._environment, "any version that is made now", maker_tags(self._environment, dirty=True))
        if self._environment.ray_address:
            raise DataError(
                f"{self._environment.code.repository} has changes that no commit holds, and would be sent to the "
                f"cluster with them: commit them, or say --allow-dirty, and the version is marked."
            )

    def new_id(self, markets: Sequence[str], as_of: datetime) -> str:
        """A name for a job."""
        named = "-".join(markets[:_NAMED]) + (f"-and-{len(markets) - _NAMED}-more" if len(markets) > _NAMED else "")
        return self._jobs.new_id(f"{named}-{as_of:%Y%m%d}")

    def run(self, job: str, markets: Sequence[str], as_of: datetime) -> None:
        """Have the week of these markets run by a job of this name.

        Raises:
            TransientError: Ray does not take it.
        """
        command = ["run", "--queued", "--as-of", as_of.isoformat()]
        for market in markets:
            command += ["--market", market]
        self._jobs.submit(job, command, {_MARKETS: ",".join(markets), _AS_OF: as_of.isoformat()}, self._origin())

    def dispatch(self) -> None:
        """Have a dispatcher admit what is queued."""
        self._jobs.submit(self._jobs.new_id("dispatcher"), ["dispatch"], {}, self._origin())

    def schedule(self) -> str:
        """Have a scheduler run for as long as the cluster; its job's name.

        Raises:
            DataError: there is one.
        """
        return self._jobs.keep_running(_SCHEDULER, ["schedule", "run"], self._origin())

    def stop_schedule(self) -> list[str]:
        """Stop the schedulers that are at work; which these were."""
        return self._jobs.stop_role(_SCHEDULER)

    def at_work(self) -> list[str]:
        """This environment's jobs that are at work, whatever they do."""
        return self._jobs.at_work()

    def stop(self, job: str) -> None:
        """Stop a job."""
        self._jobs.client.stop_job(job)

    def fault(self, job: str) -> str | None:
        """Why a job is not at work any more; None while it is."""
        try:
            details = self._jobs.client.get_job_info(job)
        except (OSError, RuntimeError) as error:
            if "does not exist" not in str(error):
                raise TransientError(f"Ray's dashboard does not answer: {error}") from error
            return f"job {job} is not known to the cluster: was it started anew?"
        if details.status in AT_WORK:
            return None
        return f"job {job} ended ({JobStatus(details.status).value.lower()}) and did not say what came of the week"

    def logs(self, job: str) -> str:
        """What a job has printed so far.

        Raises:
            DataError: there is no such job.
        """
        try:
            return str(self._jobs.client.get_job_logs(job))
        except RuntimeError as error:
            raise DataError(f"no logs of job {job!r} ({error}); see `fitwave trainer jobs`") from error

    def link(self, job: str) -> str:
        """Where a job and its logs can be looked at."""
        return f"{self._jobs.dashboard}/#/jobs/{job}"

    def _origin(self) -> dict[str, str]:
        """With the code that another cluster is sent goes its commit, for there is no checkout to ask."""
        return {TRAVELLED: str(current_commit(self._environment.code))} if self._environment.ray_address else {}
