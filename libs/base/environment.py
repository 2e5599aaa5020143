"""One installation of Fitwave: where its stores are, what it serves, and its markets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from libs.base.errors import DataError
from libs.base.frozen import Frozen
from libs.base.identifiers import Name
from libs.base.market import Market, Replicas
from libs.base.rollout import CanaryRollout

T = TypeVar("T", bound=Frozen)

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG_ROOT = REPOSITORY / "infra" / "environments"

# Where to point from outside without touching a file: URLs carry passwords, and those belong in the environment.
_FROM_PROCESS = {
    "redis_url": "FITWAVE_REDIS_URL",
    "mlflow_uri": "FITWAVE_MLFLOW_URI",
    "ray_address": "FITWAVE_RAY_ADDRESS",
    "ray_dashboard_url": "FITWAVE_RAY_DASHBOARD_URL",
    "lake_uri": "FITWAVE_LAKE_URI",
    "state_dir": "FITWAVE_STATE_DIR",
}


class Gateway(Frozen):
    """The one HTTP entry of all markets.

    The limits are a replica's. A market has at most `batches_in_flight` batches under way and `max_waiting_requests`
    that wait for one; all markets together have at most `max_requests_at_once`, and `max_requests_queued` wait before
    all replicas (both are taken when the cluster starts). What is beyond is turned away at once with 503.
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
    requests_per_minute: int = Field(default=600_000, ge=1)


class Refreshing(Frozen):
    """How fast online features are written while their market is being asked about them: by so many writers at once,
    each of which rests after a few rows, for so many times as long as Redis took for them.
    """

    writers: int = Field(default=1, ge=1)
    rest: float = Field(default=2.0, ge=0)


class PairLogging(Frozen):
    """Pairs are written every `flush_s`: what a replica that is killed can lose."""

    flush_s: float = Field(default=2.0, gt=0, le=10)


class Serving(Frozen):
    """Replicas of the deployments that all markets share, how a refresh gives way to them, and whether there is a
    console beside them.
    """

    gateway: Gateway = Gateway()
    shadow_router: Replicas = Replicas()
    feature_lookup: Replicas = Replicas()
    pooled_size_model: Replicas = Replicas()
    refreshing: Refreshing = Refreshing()
    pair_log: PairLogging = PairLogging()
    console: bool = True


class Trainer(Frozen):
    """How the weekly job uses the cluster.

    The markets of a run are shared out to `workers` ranks of `threads` XGBoost threads each. A market of
    `distributed_from_lines` labelled lines or more is trained by all ranks together, each with a shard; a shard that
    would take more than `rank_memory_gib` is kept on disk. A booster in training is kept every `checkpoint_s`.

    Of the weeks that are asked for, `jobs_at_once` jobs of up to `markets_per_job` markets each are run; a week that
    fails is tried again so many times, first after `retry_minutes` and each time after twice as long.
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
    """How often windows, canaries and promoted versions are looked at, and at which hour of a day, UTC, promotions are
    judged again by what came back, where `fitwave shadow schedule` sees to it.
    """

    look_every_minutes: int = Field(default=5, ge=1, le=59)
    review_hour: int = Field(default=4, ge=0, le=23)


class Code(Frozen):
    """The repository that is tagged with each model version; `remote` names where tags are pushed, if anywhere."""

    repository: Path = REPOSITORY
    remote: str | None = None


class Environment(Frozen):
    """The file `environment.yaml` with the files of `markets/` beside it.

    A store whose URL is null is started by `fitwave up` on this machine.
    """

    name: Name
    state_dir: Path = REPOSITORY / "var"
    redis_url: str | None = None
    mlflow_uri: str | None = None
    ray_address: str | None = None
    ray_dashboard_url: str | None = None
    lake_uri: str | None = None
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

    @property
    def home(self) -> Path:
        """The folder that holds all of this environment's local state."""
        return self.state_dir / self.name

    @property
    def lake(self) -> str:
        """Where the lakehouse is: a URI, or a path on this machine."""
        return self.lake_uri or str(self.home / "lake")

    def market(self, name: str) -> Market:
        """The market of this name.

        Raises:
            DataError: there is none; the message lists those that are.
        """
        try:
            return self.markets[name]
        except KeyError:
            known = ", ".join(sorted(self.markets))
            raise DataError(
                f"unknown market {name!r} in environment {self.name!r}: it has {known}. "
                f"Add {CONFIG_ROOT / self.name / 'markets' / (name + '.yaml')} or choose one of these."
            ) from None


def load_environment(name: str | None = None, root: Path | None = None) -> Environment:
    """Read and check one environment.

    Args:
        name: the environment; by default `$FITWAVE_ENVIRONMENT`, then `main`.
        root: the folder of environments; by default `$FITWAVE_CONFIG`, then `infra/environments`.

    Raises:
        DataError: a file is absent, is not YAML, or breaks the schema; every fault is listed with its place.
    """
    name = name or os.environ.get("FITWAVE_ENVIRONMENT", "main")
    folder = environment_folder(name, root)
    settings = _read_yaml(folder / "environment.yaml") | {"name": name}
    settings |= {key: os.environ[var] for key, var in _FROM_PROCESS.items() if os.environ.get(var)}
    files = sorted((folder / "markets").glob("*.yaml"))
    if not files:
        raise DataError(f"no market in {folder / 'markets'}: add one file per market, like de.yaml")
    markets = {path.stem: _build(Market, _read_yaml(path) | {"name": path.stem}, path) for path in files}
    return _build(Environment, settings | {"markets": markets}, folder / "environment.yaml")


def environment_folder(name: str, root: Path | None = None) -> Path:
    """The folder of an environment's files.

    Raises:
        DataError: there is none; the message lists those that are.
    """
    root = root or Path(os.environ.get("FITWAVE_CONFIG", CONFIG_ROOT))
    folder = root / name
    if not folder.is_dir():
        found = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) if root.is_dir() else "none"
        raise DataError(f"no environment {name!r} under {root}: there is {found}. Set --environment or FITWAVE_CONFIG.")
    return folder


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is absent: every environment has one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold keys and values at the top, not a {type(content).__name__}")
    return content


def _build(model: type[T], values: Mapping[str, Any], path: Path) -> T:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(str(part) for part in fault['loc']) or '(top)'}: {fault['msg']} (got {fault['input']!r:.80})"
            for fault in error.errors()
        )
        raise DataError(f"{path} is not a valid {model.__name__.lower()} config:\n{faults}") from error
