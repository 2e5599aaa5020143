"""One installation of Fitwave: where its stores are, what it serves, and its markets."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from libs.base.checked_yaml import Said, build, read_file
from libs.base.config_files import CONFIG_ROOT as CONFIG_ROOT
from libs.base.config_files import REPOSITORY as REPOSITORY
from libs.base.config_files import SETTINGS_FILE, layers, state_root
from libs.base.errors import DataError
from libs.base.frozen import Frozen
from libs.base.identifiers import Name
from libs.base.market import Market, Replicas
from libs.base.rollout import CanaryRollout

T = TypeVar("T")

# Where to point from outside without touching a file: URLs carry passwords, and those belong in the environment.
_FROM_PROCESS = {
    "redis_url": "FITWAVE_REDIS_URL",
    "mlflow_uri": "FITWAVE_MLFLOW_URI",
    "ray_address": "FITWAVE_RAY_ADDRESS",
    "ray_dashboard_url": "FITWAVE_RAY_DASHBOARD_URL",
    "lake_uri": "FITWAVE_LAKE_URI",
    "state_dir": "FITWAVE_STATE_DIR",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
# What a branch's environment has for itself, and neither from its base nor from the process: another's lake would take
# its pairs, another's cluster cannot serve two, and nothing of it is to be run, or to answer, unasked.
_A_BRANCHS_OWN = ("state_dir", "lake_uri", "ray_address", "ray_dashboard_url", "production", "scheduled")


class Tokens(Frozen):
    """Tokens of an identity provider, taken beside API keys: JWTs that are signed with RS256 or ES256.

    Attributes:
        issuer: What their claim `iss` must be.
        audience: What their claim `aud` must be, or have among others.
        keys: Where its public keys are, as a JSON Web Key Set: an absolute path, or a URL of https, or of http on this
            machine.
    """

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    keys: str

    @field_validator("keys")
    @classmethod
    def _keys_nobody_can_change_on_their_way(cls, value: str) -> str:
        url = urlsplit(value)
        is_near = url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost")
        if not value.startswith("/") and not (url.hostname and (url.scheme == "https" or is_near)):
            raise ValueError("must be an absolute path, or a URL of https, or of http on this machine")
        return value


class Gateway(Frozen):
    """The one HTTP entry of all markets.

    The limits are a replica's, but for the rate. What is beyond them is turned away at once with 503.

    Attributes:
        host: The address that it listens on.
        port: The port that it listens on; null takes a free one. Set one where a load balancer must know it.
        replicas: Of the gateway, in processes.
        max_body_bytes: The longest request body; a longer one is answered with 413.
        max_articles: The most articles in one request; more are answered with 422.
        timeout_s: How long a request may take in all, in seconds; then it is answered with 504.
        batches_in_flight: Batches of one market that are under way at once.
        max_batch_requests: The most requests that are put into one batch.
        max_waiting_requests: Requests of one market that wait for a batch.
        max_requests_at_once: Requests of all markets that a replica has at once; taken when the cluster starts.
        max_requests_queued: Requests that wait before all replicas; taken when the cluster starts.
        max_connections_per_address: Connections that one address may have open; more are closed. Higher where a load
            balancer brings all of them; taken when the cluster starts.
        features_age_limit_days: Answers by older features say that they are degraded; null: none do.
        requests_per_minute: The rate of one API key, over all replicas; beyond it the answer is 429.
        tokens: Whose tokens are taken beside API keys; null takes none.
    """

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=1, le=65535)
    replicas: Replicas = Replicas()
    max_body_bytes: int = Field(default=262_144, ge=1024)
    max_articles: int = Field(default=1000, ge=1)
    timeout_s: float = Field(default=5.0, gt=0)
    batches_in_flight: int = Field(default=2, ge=1)
    max_batch_requests: int = Field(default=64, ge=1)
    max_waiting_requests: int = Field(default=128, ge=1)
    max_requests_at_once: int = Field(default=128, ge=1)
    max_requests_queued: int = Field(default=16, ge=1)
    max_connections_per_address: int = Field(default=1000, ge=1)
    features_age_limit_days: float | None = Field(default=15.0, gt=0)
    requests_per_minute: int = Field(default=600_000, ge=1)
    tokens: Tokens | None = None


class Refreshing(Frozen):
    """How fast online features are written while their market is being asked about them.

    Attributes:
        writers: How many write at once.
        rest: How long each rests after a few rows, as a multiple of the time that Redis took for them.
    """

    writers: int = Field(default=1, ge=1)
    rest: float = Field(default=2.0, ge=0)


class PairLogging(Frozen):
    """How the pairs of a shadow window are written.

    Attributes:
        flush_s: Seconds between two writes: what a replica that is killed can lose.
    """

    flush_s: float = Field(default=2.0, gt=0, le=10)


class Serving(Frozen):
    """Replicas of the deployments that all markets share, how a refresh gives way to them, and whether there is a
    console beside them.

    Attributes:
        gateway: The HTTP entry.
        shadow_router: Replicas that ask the champion and mirror to the challenger.
        feature_lookup: Replicas that look features up.
        pooled_size_model: Replicas that hold the models of all markets without replicas of their own.
        refreshing: How a refresh of features gives way to shoppers.
        pair_log: How the pairs of a shadow window are written.
        memory_limit_mib: A replica that takes more memory is replaced, before the node has none left for the others.
            The console's is left alone.
        console: Whether there is a console beside the gateway, at /console.
    """

    gateway: Gateway = Gateway()
    shadow_router: Replicas = Replicas()
    feature_lookup: Replicas = Replicas()
    pooled_size_model: Replicas = Replicas()
    refreshing: Refreshing = Refreshing()
    pair_log: PairLogging = PairLogging()
    memory_limit_mib: int | None = Field(default=4096, ge=512)
    console: bool = True


class Trainer(Frozen):
    """How the weekly job uses the cluster.

    The markets of a run are shared out to the ranks of one worker group.

    Attributes:
        workers: Ranks of a training.
        threads: XGBoost threads of each rank.
        distributed_from_lines: A market of so many labelled lines is trained by all ranks together, each with a shard.
        rank_memory_gib: A shard that would take more is kept on disk.
        checkpoint_s: Seconds after which a booster in training is kept, to go on from.
        jobs_at_once: Jobs that run at the same time, of the weeks that are asked for.
        markets_per_job: The most markets in one job.
        retries: How often a week that fails is tried again.
        retry_minutes: The wait before it is; twice as long each time.
    """

    workers: int = Field(default=2, ge=1)
    threads: int = Field(default=1, ge=1)
    distributed_from_lines: int = Field(default=1_000_000, ge=1)
    rank_memory_gib: float = Field(default=2.0, gt=0)
    checkpoint_s: float = Field(default=30.0, gt=0)
    jobs_at_once: int = Field(default=1, ge=1)
    markets_per_job: int = Field(default=50, ge=1)
    retries: int = Field(default=2, ge=0)
    retry_minutes: float = Field(default=10.0, ge=0)


class Shadowing(Frozen):
    """When `fitwave shadow schedule` sees to windows, canaries and promoted versions.

    Attributes:
        look_every_minutes: How often they are guarded and settled.
        review_hour: At which hour of a day, UTC, promotions are judged again by what came back.
    """

    look_every_minutes: int = Field(default=5, ge=1, le=59)
    review_hour: int = Field(default=4, ge=0, le=23)


class Code(Frozen):
    """The repository that is tagged with each model version.

    Attributes:
        repository: Its folder, by default that of Fitwave itself.
        remote: Where tags are pushed, such as `origin`; null keeps them in the repository.
    """

    repository: Path = REPOSITORY
    remote: str | None = None


class Branch(Frozen):
    """The git branch that an environment is for, as `fitwave env create` has noted it.

    Attributes:
        name: The branch, as git calls it.
        base: The committed environment whose files hold where this one's say nothing.
        created_at: When it was made, in UTC.
        id: What tells it from the environment of another checkout of the same branch.
    """

    name: str = Field(min_length=1)
    base: Name
    created_at: datetime
    id: str = Field(min_length=8)


class Environment(Frozen):
    """The file `environment.yaml` with the files of `markets/` beside it.

    A store whose URL is null is started by `fitwave up` on this machine.

    Attributes:
        name: The name of the folder that holds the file.
        branch: Which git branch it is for; only `fitwave env create` writes that.
        production: Whether versions by code that no commit holds, or by another environment, are refused.
        scheduled: Whether anything happens by itself: weeks when they are due, the care for windows and canaries; else
            all of it is run when somebody asks.
        state_dir: The folder of all local state, by default `var` of the repository; each environment has a sub-folder.
        redis_url: The online store; libs/base/redis_url.py tells of Sentinel, Cluster and TLS; null starts one.
        mlflow_uri: The store of the model registry; null starts one.
        ray_address: The GCS of a Ray cluster, as host:port; null starts one.
        ray_dashboard_url: That cluster's dashboard, which takes jobs and Serve documents.
        lake_uri: The lakehouse, as a path or a URI that docs/data.md tells of; null is a folder of state_dir.
        otlp_endpoint: Where traces go, by OTLP over HTTP; taken when the cluster starts; null traces nothing.
        traced_share: The share of the requests that is traced.
        code: The repository that is tagged with each model version.
        serving: The replicas of what answers.
        trainer: How the weekly job uses the cluster.
        shadow: When windows, canaries and promoted versions are seen to.
        markets: One for each file of `markets/`, by the file's name.
    """

    name: Name
    branch: Branch | None = None
    production: bool = False
    scheduled: bool = True
    state_dir: Path = REPOSITORY / "var"
    redis_url: str | None = None
    mlflow_uri: str | None = None
    ray_address: str | None = None
    ray_dashboard_url: str | None = None
    lake_uri: str | None = None
    otlp_endpoint: str | None = None
    traced_share: float = Field(default=0.01, ge=0, le=1)
    code: Code = Code()
    serving: Serving = Serving()
    trainer: Trainer = Trainer()
    shadow: Shadowing = Shadowing()
    markets: dict[str, Market] = Field(min_length=1)

    @model_validator(mode="after")
    def _a_canary_leaves_the_champion_time(self) -> "Environment":
        for name, market in self.markets.items():
            rollout, limit_s = market.shadow.rollout, self.serving.gateway.timeout_s / 2
            if isinstance(rollout, CanaryRollout) and rollout.timeout_s > limit_s:
                raise ValueError(
                    f"markets.{name}.shadow.rollout.timeout_s: after {rollout.timeout_s:g} s the champion answers, and "
                    f"the gateway waits for both together: {limit_s:g}, half of serving.gateway.timeout_s, is the most"
                )
        return self

    @model_validator(mode="after")
    def _no_branch_is_production(self) -> "Environment":
        if self.branch is not None and self.production:
            raise ValueError("production: a branch's environment cannot be one; make it a committed environment")
        return self

    @property
    def home(self) -> Path:
        """The folder that holds all of this environment's local state."""
        return self.state_dir / self.name

    @property
    def lake(self) -> str:
        """Where the lakehouse is: a URI, or a path on this machine."""
        return self.lake_uri or str(self.home / "lake")

    @property
    def unscheduled(self) -> str | None:
        """Why nothing happens by itself, and what to do; None where it does."""
        if self.scheduled:
            return None
        return f"environment {self.name!r} is not scheduled: set `scheduled: true` in its environment.yaml"

    def require_scheduled(self) -> None:
        """Raises: DataError: nothing happens by itself here."""
        if self.unscheduled:
            raise DataError(self.unscheduled)

    def market(self, name: str) -> Market:
        """The market of this name.

        Raises:
            DataError: there is none; the message lists those that are.
        """
        try:
            return self.markets[name]
        except KeyError:
            known, base = ", ".join(sorted(self.markets)), self.branch.base if self.branch else self.name
            raise DataError(
                f"unknown market {name!r} in environment {self.name!r}: it has {known}. "
                f"Add {CONFIG_ROOT / base / 'markets' / (name + '.yaml')} or choose one of these."
            ) from None


@dataclass(frozen=True)
class Sources:
    """What files and process say of an environment, before it is checked; what they do not say has its default."""

    environment: Said
    markets: Mapping[str, Said]


def load_environment(name: str | None = None, root: Path | None = None) -> Environment:
    """Read and check one environment.

    Args:
        name: the environment; by default `$FITWAVE_ENVIRONMENT`, then `main`.
        root: the folder of environments; by default `$FITWAVE_CONFIG`, then `infra/environments`.

    Raises:
        DataError: a file is absent, is not YAML, or breaks the schema; every fault of each is listed with its place.
    """
    return _check(read_sources(name, root))


def read_sources(name: str | None = None, root: Path | None = None) -> Sources:
    """What is said of an environment, and where; `load_environment` checks it.

    Raises:
        DataError: a file is absent, or is not YAML.
    """
    name = name or os.environ.get("FITWAVE_ENVIRONMENT", "main")
    return _read(name, layers(name, root))


def load_from(name: str, folders: Sequence[Path]) -> Environment:
    """Read and check the environment whose files are in these folders, each laid over those before it.

    Raises: as `load_environment`.
    """
    return _check(_read(name, folders))


def environment_folder(name: str, root: Path | None = None) -> Path:
    """The folder of an environment's own files: of a branch's, those that lie over its base's (see `layers`).

    Raises:
        DataError: there is no such environment; the message lists those that are.
    """
    return layers(name, root)[-1]


def _read(name: str, folders: Sequence[Path]) -> Sources:
    *below, own = folders
    told = read_file(own / SETTINGS_FILE)
    variables = {key: variable for key, variable in _FROM_PROCESS.items() if os.environ.get(variable)}
    fixed = {"name": name}
    if below:
        told = told.over(_for_a_branch(read_file(below[0] / SETTINGS_FILE)))
        variables = _without(variables, _A_BRANCHS_OWN)
        fixed["state_dir"] = str(state_root())
    elif "branch" in told.values:
        raise DataError(
            f"{own / SETTINGS_FILE} has a branch: only `fitwave env create` makes environments that have one"
        )
    told = told.with_values(
        {key: os.environ[variable] for key, variable in variables.items()} | fixed,
        variables | dict.fromkeys(fixed, "where the environment is"),
    )
    files = sorted({path.stem for folder in folders for path in (folder / "markets").glob("*.yaml")})
    if not files:
        raise DataError(f"no market in {own / 'markets'}: add one file per market, like de.yaml")
    return Sources(told, {market: _market(market, folders) for market in files})


def _for_a_branch(base: Said) -> Said:
    """What a branch's environment takes from its base: its ports are free ones, its tags stay in this repository, and
    its weeks are run when somebody asks for them.
    """
    own = {"scheduled": False, "code": {"remote": None}, "serving": {"gateway": {"port": None}}}
    places = [("scheduled",), ("code", "remote"), ("serving", "gateway", "port")]
    return Said((), own, dict.fromkeys(places, "as for every branch")).over(base.without(_A_BRANCHS_OWN))


def _without(values: Mapping[str, T], keys: Sequence[str]) -> dict[str, T]:
    return {key: value for key, value in values.items() if key not in keys}


def _market(name: str, folders: Sequence[Path]) -> Said:
    paths = [folder / "markets" / f"{name}.yaml" for folder in folders]
    said = reduce(lambda below, above: above.over(below), [read_file(path) for path in paths if path.exists()])
    return said.with_values({"name": name}, {"name": "the name of the file"})


def _check(sources: Sources) -> Environment:
    markets, faults = {}, []
    for name, said in sources.markets.items():
        try:
            markets[name] = build(Market, said)
        except DataError as error:
            faults.append(str(error))
    try:
        # Where no market is right, one stands in, so that the faults of the environment's own file are found as well.
        whole = {"markets": markets or {"none": Market(name="none")}}
        environment = build(Environment, sources.environment.with_values(whole, {}))
    except DataError as error:
        faults.insert(0, str(error))
    if faults:
        raise DataError("\n".join(faults))
    return environment
