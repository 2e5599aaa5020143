"""Remove a branch's environment from everything that it is in, and from nothing else.

What is running is stopped first, then stores that others use too, then its own files; the files that say what there is
to remove go last. Killed anywhere and run again, it goes on.
"""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from infra.branches.key_space import KeySpace
from infra.branches.shared_stores import are_of_another, forget, has_entered, known_stores
from libs.base.config_files import DESTROYING, branch_folder, state_root
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.redis_url import RedisUrl

_TRASH = ".destroyed-"


@dataclass(frozen=True)
class Destruction:
    """The removal of one environment; `say` is told what has been removed, store by store."""

    environment: Environment
    say: Callable[[str], None]

    def run(self) -> None:
        """Remove all of it.

        Raises:
            DataError: it is no branch's.
            TransientError: a store is away; run again, it goes on from there.
        """
        if self.environment.branch is None:
            raise DataError(f"environment {self.environment.name!r} is no branch's: it is not destroyed")
        (branch_folder(self.environment.name) / DESTROYING).touch()
        self._stop()
        if has_entered(self.environment):
            self._from_stores()
        self._files()

    def _from_stores(self) -> None:
        stores = known_stores(self.environment)
        if are_of_another(self.environment, stores):
            self.say("left: Redis, MLflow and tags, where the name is another checkout's")
            return
        for url in stores.redis:
            self._from_redis(url)
        for uri in stores.mlflow:
            self._from_mlflow(uri)
        self._from_code()

    def _stop(self) -> None:
        from infra.stack.local import down

        if self.environment.ray_address and self.environment.ray_dashboard_url:
            self._leave_cluster(self.environment.ray_address, self.environment.ray_dashboard_url)
        if stopped := down(self.environment):
            self.say(f"stopped: {', '.join(stopped)}")

    def _leave_cluster(self, address: str, dashboard: str) -> None:
        """Stop what runs on a cluster that this environment was given; the cluster itself goes on."""
        endpoints = Endpoints(
            redis_url="", mlflow_uri="", ray_address=address, ray_dashboard_url=dashboard, gateway_port=0
        )
        endpoints.prepare_process()

        from apps.trainer.jobs import TrainerJobs
        from libs.models.serve_api import undeploy

        jobs = TrainerJobs(self.environment, endpoints)
        for job in (found := jobs.at_work()):
            jobs.stop(job)
        applications = undeploy(endpoints, self.environment.name)
        self.say(
            f"Ray at {dashboard}: {len(found)} jobs stopped, {', '.join(applications) or 'no application'} taken down"
        )

    def _from_redis(self, url: str) -> None:
        with KeySpace(url, self.environment.name) as keys:
            self.say(f"{RedisUrl.parse(url)}: {keys.remove():,} keys removed")
        forget(self.environment, url)

    def _from_mlflow(self, uri: str) -> None:
        from libs.models.registry import Registry

        erased = Registry(self.environment.name, uri, self.environment.home / "mlflow" / "artifacts").erase()
        kept = "" if erased.for_good else "; the server keeps the runs out of sight until `mlflow gc` is run there"
        self.say(f"MLflow: {erased.models} models, {erased.experiments} experiments, {erased.runs} runs removed{kept}")
        forget(self.environment, uri)

    def _from_code(self) -> None:
        from apps.trainer.code_tag import remove_tags, tags_of

        code = self.environment.code
        names = tags_of(code, self.environment.name)
        remove_tags(code, names)
        self.say(f"{code.repository}: {len(names)} tags removed")
        if code.remote and names:
            self.say(f"left on {code.remote}: git push {code.remote} --delete {' '.join(names)}")

    def _files(self) -> None:
        home = self.environment.home
        if f"{home}/" not in self.environment.lake:
            self.say(f"left: the lake, which is not under {home}")
        # In one step, so that what is left of it after a kill is nobody's environment.
        home.rename(home.with_name(f"{_TRASH}{home.name}-{secrets.token_hex(4)}"))
        sweep()
        self.say(f"{home}: lake, ledger, features, models and logs removed")


def sweep() -> None:
    """Remove what a destruction that was killed has left of files."""
    for folder in state_root().glob(f"{_TRASH}*"):
        shutil.rmtree(folder)
