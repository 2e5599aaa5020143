"""A small market that is live with two replicas of everything, and what the tests break and count with."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import psutil
import pytest

from apps.trainer.weekly import WeeklyRun
from infra.stack.local import down, status, up
from infra.stack.processes import Record
from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.key_store import KeyStore
from libs.base.market import Replicas
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.models import serve_api
from libs.models.lifecycle import Lifecycle
from tests.chaos.leak import leaky
from tests.chaos.load import Answer, Load, Plan
from tests.environments import SMALL_MARKET, environment_in
from tests.redis_servers import server
from tests.session import SESSION_FOLDER, SESSION_HOME

if TYPE_CHECKING:
    from tests.collector import Collector

MARKET = "de"
DEPLOYMENTS = ("Gateway", "ShadowRouter", "FeatureLookup", "SizeModel")
MEMORY_LIMIT_MIB = 1024
PLAN = MarketPlan(MARKET, customers=500, articles=80, lines_per_week=700, seed=2)
_TWO = {"min": 2, "max": 2}
_PATIENCE_S = 60.0
_POLL_S = 0.2


@pytest.fixture(scope="session")
def environment(code_repository: Path, collector: "Collector") -> Environment:
    serving = {
        # All callers are on this machine.
        "gateway": {"replicas": _TWO, "features_age_limit_days": None, "max_connections_per_address": 10_000},
        **dict.fromkeys(("shadow_router", "feature_lookup", "pooled_size_model"), _TWO),
        "console": False,
        "memory_limit_mib": MEMORY_LIMIT_MIB,
    }
    settings = {
        "code": {"repository": str(code_repository)},
        "lake_uri": f"delta+{SESSION_HOME / 'lake'}",
        "otlp_endpoint": collector.url,
        "serving": serving,
    }
    return environment_in(SESSION_FOLDER, "test", {MARKET: SMALL_MARKET}, settings)


@pytest.fixture(scope="session")
def leaks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster's processes look whether they should leak."""
    return tmp_path_factory.mktemp("leaks")


@pytest.fixture(scope="session")
def endpoints(environment: Environment, leaks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Its running stores and cluster, whose GCS keeps what it knows in a Redis of its own, as on Kubernetes."""
    from libs.base.cluster import connected

    with server(tmp_path_factory.mktemp("gcs")) as (port, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_REDIS_ADDRESS", f"127.0.0.1:{port}")
        for name, value in leaky(leaks).items():
            patch.setenv(name, value)
        try:
            found = up(environment)
            patch.undo()
            with connected(found):
                yield found
        finally:
            down(environment)


Size = tuple[str | None, float | None]


@dataclass
class Live:
    """The running product, and the answers that it gives when nothing is wrong."""

    environment: Environment
    endpoints: Endpoints
    lifecycle: Lifecycle
    plan: Plan
    calm: dict[str, dict[tuple[str, str], Size]] = field(default_factory=dict)

    def week(self, number: int) -> None:
        deliver(Lake.open(self.environment.lake), PLAN, number)
        run = WeeklyRun(self.environment, self.endpoints, cut_off(PLAN, number), lambda _: None)
        [week] = run.run([MARKET]).values()
        assert week.outcome in ("champion", "challenger"), week

    def learn(self) -> str:
        """Take what is answered now for what this version answers; which it was."""
        [version] = {self._learn(customer) for customer in self.plan.customers}
        return version

    def _learn(self, customer: str) -> str:
        response = httpx.post(
            f"{self.plan.url}/v1/markets/{MARKET}/size-recommendations",
            json={"customer_id": customer, "article_ids": self.plan.articles},
            headers={"Authorization": f"Bearer {self.plan.key}"},
            timeout=20,
        )
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["degraded"] is None, body["degraded"]
        known = self.calm.setdefault(body["model_version"], {})
        for one in body["recommendations"]:
            known[customer, one["article_id"]] = one["size"], one["confidence"]
        return str(body["model_version"])

    def wrong(self, load: Load) -> list[Answer]:
        """Answers that were called whole and are not what their version answers when nothing is wrong."""
        whole = [one for one in load.answers if one.status == 200 and one.degraded is None]
        return [one for one in whole if self.calm[one.version][one.customer, one.article] != (one.size, one.confidence)]

    def scale(self, each: int, **gateway: Any) -> None:
        """Deploy so many replicas of everything, and other settings of the gateway."""
        replicas = Replicas(min=each, max=each)
        serving = self.environment.serving
        changed = serving.model_copy(
            update={
                "gateway": serving.gateway.model_copy(update={"replicas": replicas, **gateway}),
                **dict.fromkeys(("shadow_router", "feature_lookup", "pooled_size_model"), replicas),
            }
        )
        settings = self.environment.model_copy(update={"serving": changed})
        replace(self.lifecycle, environment=settings).publish()

    def pids(self, deployment: str) -> list[int]:
        """The replicas that Serve calls running."""
        found = serve_api.status(self.endpoints)["applications"]["fitwave-test"]["deployments"][deployment]
        return [one["pid"] for one in found["replicas"] if one["state"] == "RUNNING"]

    def replaced(self, deployment: str, gone: int, since: float) -> float:
        """Seconds since then until two replicas run and none is the one that went."""

        def whole() -> bool:
            pids = self.pids(deployment)
            return len(pids) == 2 and gone not in pids

        until(whole)
        return time.monotonic() - since

    def adopt(self, component: str, pid: int) -> None:
        """Let `fitwave down` stop this process in the place of the component's first one."""
        record = Record(self.environment.home / "stack.json")
        created = psutil.Process(pid).create_time()
        record.write(
            [replace(one, pid=pid, created=created) if one.component == component else one for one in record.read()]
        )

    def process(self, component: str) -> psutil.Process:
        """The process of a store or cluster that was started here."""
        [pid] = [one.pid for one in status(self.environment) if one.name == component]
        return psutil.Process(pid)


def until(true: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(_POLL_S)


@pytest.fixture(scope="session")
def running(environment: Environment, endpoints: Endpoints) -> Live:
    lake = Lake.open(environment.lake)
    store = KeyStore(endpoints.redis_url, environment.name)
    _, key = store.create(None, frozenset(SCOPES), "chaos")
    store.close()
    url = f"http://127.0.0.1:{endpoints.gateway_port}"
    found = Live(environment, endpoints, Lifecycle.of(environment, endpoints), Plan(url, key, MARKET, [], []))
    found.week(0)
    articles = pl.DataFrame(pl.from_arrow(lake.read(ARTICLES, MARKET))).filter(pl.col("online"))
    early = articles.filter(pl.col("launched_at") < cut_off(PLAN, 0))["article_id"].sort().to_list()
    customers = sorted(lake.read(CUSTOMERS, MARKET)["customer_id"].to_pylist())
    found.plan = Plan(url, key, MARKET, customers[:20], early[:15])
    found.learn()
    return found


@pytest.fixture
def live(running: Live) -> Live:
    """The product as it should be before a test breaks it: two replicas of everything, and whole answers."""
    for name in DEPLOYMENTS:
        until(lambda name=name: len(running.pids(name)) == 2)  # type: ignore[misc]
    running.learn()
    return running
