"""The market that everything is measured on: made up, trained once, its features online, its model the champion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from benchmarks.serving.load import Target, write_questions
from libs.base.api_keys import SCOPES
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment, Trainer
from libs.base.errors import DataError
from libs.base.key_store import KeyStore
from libs.base.market import Replicas
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.features.refresh import Destination, refresh
from libs.models.assignment import Assignment
from libs.models.contract import ModelRef
from libs.models.fingerprint import fingerprint
from libs.models.fleet import train_fleet
from libs.models.market_training import Untrained
from libs.models.sampling import in_sample
from libs.models.serve_api import apply
from libs.models.serving_plan import Challenger, LiveState, render

MARKET = "de"
_WINDOW = "v2-benchmark"
_PLAN = MarketPlan(MARKET, customers=24_000, articles=6_000, lines_per_week=6_000, seed=1)


@dataclass(frozen=True)
class Stage:
    """A running environment with a trained market, its features, and who may be asked about what."""

    environment: Environment
    endpoints: Endpoints
    prepared: Prepared
    package: Path
    key: str
    customers: Sequence[str]
    articles: Sequence[str]

    @property
    def url(self) -> str:
        return f"http://{self.environment.serving.gateway.host}:{self.endpoints.gateway_port}"

    def target(self, questions: int, articles_each: int = 1, *, sampled: bool = True) -> Target:
        """Where to ask, and so many questions about customers and articles drawn by chance.

        Not sampled: about no customer that is in the challenger's sample.
        """
        path = self.environment.home / f"{articles_each}{'' if sampled else '-unsampled'}.jsonl"
        share = self.environment.market(MARKET).shadow.share
        asked = [one for one in self.customers if sampled or not in_sample(one, _WINDOW, share)]
        write_questions(path, asked, self.articles, questions, articles_each, seed=articles_each)
        return Target(f"{self.url}/v1/markets/{MARKET}/size-recommendations", self.key, path)

    def scaled(self, each: Replicas) -> "Stage":
        """The same with so many replicas of every deployment."""
        serving = self.environment.serving
        gateway = serving.gateway.model_copy(update={"replicas": each})
        parts = {"gateway": gateway, "shadow_router": each, "feature_lookup": each, "pooled_size_model": each}
        scaled = self.environment.model_copy(update={"serving": serving.model_copy(update=parts)})
        return replace(self, environment=scaled)

    def deploy(self, *, mirrored: bool) -> None:
        """Serve the model as the champion; mirrored: and once more as the challenger."""
        sha256 = fingerprint(self.package)
        challengers = {MARKET: Challenger(ModelRef("2", str(self.package), sha256), _WINDOW)} if mirrored else {}
        state = LiveState({MARKET: ModelRef("1", str(self.package), sha256)}, challengers)
        apply(self.endpoints, render(self.environment, self.endpoints, state))


def set_up(environment: Environment, endpoints: Endpoints) -> Stage:
    """Make the market, train it and bring its features online.

    Raises:
        DataError: a stage refuses the market; what it says is passed on.
    """
    market = environment.market(MARKET)
    deliver(Lake.open(environment.lake), _PLAN, 0)
    with connected(endpoints):
        prepared = preprocess(environment.lake, {MARKET: market}, cut_off(_PLAN, 0), environment.home / "run")[MARKET]
        if isinstance(prepared, Failed):
            raise DataError(f"{prepared.stage}: {prepared.reason}")
        assignment = Assignment(market, prepared.training_path, environment.home / "model", prepared.labelled)
        trained = train_fleet([assignment], Trainer(workers=1, threads=2))[MARKET]
        if isinstance(trained, Untrained):
            raise DataError(f"training: {trained.reason}")
        refresh(Destination(environment.name, environment.home, endpoints.redis_url), [prepared])
    _, key = KeyStore(endpoints.redis_url, environment.name).create(None, frozenset(SCOPES), "benchmark")
    return Stage(
        environment=environment,
        endpoints=endpoints,
        prepared=prepared,
        package=trained.folder,
        key=key,
        customers=pl.read_parquet(prepared.customers_path)["customer_id"].to_list(),
        articles=pl.read_parquet(prepared.articles_path)["article_id"].to_list(),
    )
