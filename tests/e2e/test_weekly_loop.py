"""The weekly loop through everything that is real: lakehouse, Ray, MLflow, git, Feast on Redis, Serve, HTTP.

The tests of this module tell one story and run in order.
"""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
import polars as pl
import psutil
import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from apps.serve.cli import app as serve_app
from apps.serve.score_cli import app as score_app
from apps.shadow import promotion
from apps.shadow.cli import app as shadow_app
from apps.shadow.window_metrics import tell
from apps.trainer.cli import app as trainer_app
from apps.trainer.jobs import TrainerJobs
from apps.trainer.queue import WeekQueue
from apps.trainer.week import MarketWeek
from apps.trainer.weekly import WeeklyRun
from infra.cli import app as fitwave
from infra.demo.traffic import Shoppers, Tally, Traffic
from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.key_store import KeyStore
from libs.base.metric_board import MetricBoard
from libs.base.metrics import METRICS, SHADOW_JUDGED, WEEKS
from libs.client.answers import Recommendations
from libs.client.client import AsyncClient, Client
from libs.client.errors import AccessDenied, NoModel, UnknownArticles, UnknownMarket
from libs.features.generator.deliveries import cut_off, deliver, scramble_returns
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake, LakeVersion
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.models import serve_api
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.pair_log import COMPLETE, read_window
from libs.models.pair_slices import PAIR_SLICES
from libs.models.sampling import in_sample
from tests import observability
from tests.browser import Browser, browsing, require_chromium
from tests.collector import Collector
from tests.promql import metrics_of
from tests.session import SESSION_FOLDER
from tests.traces import TRACE_ID, TRACEPARENT

PLANS = {name: MarketPlan(name, 500, 80, 700, seed) for name, seed in (("de", 2), ("us", 4))}
PLANS["nobody"] = replace(PLANS["de"], name="nobody")
_PATIENCE_S = 60.0


@dataclass
class World:
    """The running environment, and what the story needs of it."""

    environment: Environment
    endpoints: Endpoints
    lifecycle: Lifecycle
    lake: Lake
    key: str
    url: str

    def week(self, number: int, *markets: str) -> dict[str, MarketWeek]:
        run = WeeklyRun(self.environment, self.endpoints, cut_off(PLANS["de"], number), lambda _: None)
        return run.run(markets)

    def ask(self, market: str, body: Any, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.key}"} | headers
        return httpx.post(f"{self.url}/v1/markets/{market}/size-recommendations", json=body, headers=sent, timeout=20)

    def champion(self, market: str) -> str | None:
        holder = self.lifecycle.registry.holder(market, "champion")
        return holder.number if holder else None

    def shoppers(self, market: str) -> Shoppers:
        articles = pl.DataFrame(pl.from_arrow(self.lake.read(ARTICLES, market)))
        early = articles.filter(pl.col("online") & (pl.col("launched_at") < cut_off(PLANS["de"], 0)))
        return Shoppers(self.lake.read(CUSTOMERS, market)["customer_id"].to_pylist(), early["article_id"].to_list())


@pytest.fixture(autouse=True)
def config_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and the jobs they submit find the session's environment."""
    monkeypatch.setenv("FITWAVE_CONFIG", str(SESSION_FOLDER / "config"))


@pytest.fixture(scope="module")
def world(environment: Environment, endpoints: Endpoints) -> Iterator[World]:
    lake = Lake.open(environment.lake)
    for plan in PLANS.values():
        deliver(lake, plan, 0)
    store = KeyStore(endpoints.redis_url, environment.name)
    _, key = store.create(None, frozenset(SCOPES), "e2e")
    url = f"http://127.0.0.1:{endpoints.gateway_port}"
    yield World(environment, endpoints, Lifecycle.of(environment, endpoints), lake, key, url)
    store.close()


@pytest.fixture(scope="module")
def first_week(world: World) -> dict[str, MarketWeek]:
    return world.week(0, "de", "us", "nobody", "empty")


@pytest.fixture(scope="module")
def second_week(world: World, first_week: dict[str, MarketWeek]) -> dict[str, MarketWeek]:
    for plan in PLANS.values():
        deliver(world.lake, plan, 1)
    scramble_returns(world.lake, PLANS["us"], seed=0)
    return world.week(1, "de", "us")


def test_the_first_accepted_models_are_live_and_bad_markets_failed_alone(
    world: World, first_week: dict[str, MarketWeek]
) -> None:
    assert {name: week.outcome for name, week in first_week.items()} == {
        "de": "champion",
        "us": "champion",
        "nobody": "failed",
        "empty": "failed",
    }
    assert "fax only" in first_week["nobody"].reason
    assert "has no data" in first_week["empty"].reason
    assert world.champion("nobody") is None


def test_each_version_is_registered_with_its_origin_and_tagged_in_git(
    world: World, first_week: dict[str, MarketWeek], code_repository: Path
) -> None:
    version = world.lifecycle.registry.version("de", "1")
    head = subprocess.run(
        ["git", "-C", str(code_repository), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert version.tags["fitwave.git_commit"] == head
    lake = LakeVersion(**json.loads(version.tags["fitwave.lake"]))
    assert lake.format == "delta"
    world.lake.require("de", lake)
    assert version.tags["fitwave.git_tag"] == first_week["de"].tag == "model/test/de/v1"
    tags = subprocess.run(["git", "-C", str(code_repository), "tag"], capture_output=True, text=True, check=True)
    assert {"model/test/de/v1", "model/test/us/v1"} <= set(tags.stdout.split())


def test_a_customer_is_answered_over_http(world: World, first_week: dict[str, MarketWeek]) -> None:
    shoppers = world.shoppers("de")
    answer = world.ask("de", {"customer_id": shoppers.customers[0], "article_ids": list(shoppers.articles[:3])})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert answer.headers["X-Model-Version"] == body["model_version"] == "1"
    assert body["features_as_of"] == "2026-07-06T00:00:00Z"
    # Its orders are made up, and of a summer that is over.
    assert body["degraded"] == "features_stale"
    assert [one["article_id"] for one in body["recommendations"]] == list(shoppers.articles[:3])
    for one in body["recommendations"]:
        assert one["basis"]["customer"] in ("history", "body", "market")
        assert all(abs(size["small"] + size["fit"] + size["large"] - 1) < 0.001 for size in one["sizes"])


def test_the_python_client_is_answered_in_types_and_told_why_not_by_exceptions(
    world: World, first_week: dict[str, MarketWeek]
) -> None:
    shoppers = world.shoppers("de")
    customer, articles = shoppers.customers[0], shoppers.articles[:2]
    said = world.ask("de", {"customer_id": customer, "article_ids": list(articles)}).json()

    async def ask() -> Recommendations:
        async with AsyncClient(world.url, world.key, deadline_s=20) as client:
            return await client.recommend("de", customer, articles)

    with Client(world.url, world.key, deadline_s=20) as client:
        answer = client.recommend("de", customer, articles)
        # Other tests of the session may have left champions in markets of their own.
        ready = {one.name: one.champion for one in client.markets() if one.ready}
        assert {name: ready.get(name) for name in ("de", "us", "nobody")} == {"de": "1", "us": "1", "nobody": None}
        with pytest.raises(UnknownMarket, match=r"404 There is no such market.*\(request [0-9a-f]{32}\)"):
            client.recommend("fr", customer, articles)
        with pytest.raises(UnknownArticles):
            client.recommend("de", customer, ["nothing"])
        with pytest.raises(NoModel):
            client.recommend("nobody", customer, articles)
    for found in (answer, asyncio.run(ask())):
        assert replace(found, request_id=said["request_id"]) == Recommendations.of(said)
    with Client(world.url, "wrong", deadline_s=20) as stranger, pytest.raises(AccessDenied):
        stranger.markets()


def test_requests_enter_through_a_haproxy_that_listens_on_loopback_only(
    world: World, first_week: dict[str, MarketWeek]
) -> None:
    folder = (world.environment.home / "ray").resolve()
    pids = [int(pid) for pid in (folder / "haproxy" / "pids").read_text().split()]
    listening = [
        connection.laddr
        for pid in pids
        if psutil.pid_exists(pid)
        for connection in psutil.Process(pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert world.endpoints.gateway_port in {address.port for address in listening}


def test_a_selected_size_is_evidence_and_a_label_the_article_lacks_is_none(
    world: World, first_week: dict[str, MarketWeek]
) -> None:
    shoppers = world.shoppers("de")
    article = shoppers.articles[0]
    question = {"customer_id": shoppers.customers[0], "article_ids": [article]}

    def sizes(**more: object) -> list[dict[str, Any]]:
        answer = world.ask("de", question | more)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["recommendations"][0]["sizes"]
        return found

    asked = sizes()
    assert sizes(selected_sizes={article: "no such size"}) == asked
    assert any(sizes(selected_sizes={article: one["size"]}) != asked for one in asked)


def test_a_thousand_articles_are_one_question(world: World, first_week: dict[str, MarketWeek]) -> None:
    shoppers = world.shoppers("de")
    articles = (list(shoppers.articles) * 1000)[:1000]
    answer = world.ask("de", {"customer_id": shoppers.customers[0], "article_ids": articles})
    assert answer.status_code == 200
    assert len(answer.json()["recommendations"]) == 1000


def test_scoring_in_bulk_says_what_the_live_service_says(
    world: World, first_week: dict[str, MarketWeek], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shoppers = world.shoppers("de")
    customers, articles = [*shoppers.customers[:6], "nobody"], [*shoppers.articles[:20], "nothing"]
    for name, ids in (("customer_id", customers), ("article_id", articles)):
        pl.DataFrame({name: ids}).write_csv(tmp_path / f"{name}.csv")
    files = [f"--{kind}s={tmp_path / f'{kind}_id.csv'}" for kind in ("customer", "article")]
    out = tmp_path / "scores"
    score_app(
        ["--market=de", *files, f"--out={out}", f"--environment={world.environment.name}", "--concurrency=2"],
        result_action="return_value",
    )
    assert "140 pairs by de v1" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if "draft" in path.name] == []
    rows = pl.read_parquet(out)
    assert len(rows) == 7 * 20
    for customer in ("nobody", *shoppers.customers[:6]):
        body = {"customer_id": customer, "article_ids": shoppers.articles[:20]}
        live = world.ask("de", body).json()["recommendations"]
        bulk = rows.filter(pl.col("customer_id") == customer).sort(
            pl.col("article_id").replace_strict(
                {article: place for place, article in enumerate(shoppers.articles[:20])}
            )
        )
        assert bulk["size"].to_list() == [one["size"] for one in live]
        assert bulk["confidence"].round(4).to_list() == pytest.approx([one["confidence"] for one in live], abs=1e-9)


@pytest.mark.parametrize(
    ("market", "body", "headers", "status", "said"),
    [
        ("fr", {"customer_id": "c", "article_ids": ["a"]}, {}, 404, "no market 'fr'"),
        ("nobody", {"customer_id": "c", "article_ids": ["a"]}, {}, 503, "no champion"),
        ("de", {"customer_id": "c", "article_ids": ["a"]}, {}, 404, "a"),
        ("de", {"customer_id": "c", "article_ids": []}, {}, 422, "article_ids"),
        ("de", {"customer_id": "c", "article_ids": ["a"] * 1001}, {}, 422, "article_ids"),
        ("de", {"customer_id": "c"}, {}, 422, "article_ids"),
        ("de", {"customer_id": "c" * 1_000_000, "article_ids": ["a"]}, {}, 413, "262144"),
        ("de", {"customer_id": "c", "article_ids": ["a"]}, {"Authorization": ""}, 401, "key"),
        ("de", {"customer_id": "c", "article_ids": ["a"]}, {"Authorization": "Bearer fw_x_y"}, 401, "key"),
    ],
)
def test_a_bad_request_gets_a_problem_that_says_what_to_do(
    world: World,
    first_week: dict[str, MarketWeek],
    market: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    said: str,
) -> None:
    answer = world.ask(market, body, **headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert said in problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]


def test_a_key_for_one_market_is_for_that_market_and_ends_when_revoked(
    world: World, first_week: dict[str, MarketWeek]
) -> None:
    shoppers = world.shoppers("us")
    body = {"customer_id": shoppers.customers[0], "article_ids": [shoppers.articles[0]]}
    store = KeyStore(world.endpoints.redis_url, world.environment.name)
    key_id, key = store.create(frozenset({"us"}), frozenset(SCOPES), "shop")
    time.sleep(1.0)
    bearer = {"Authorization": f"Bearer {key}"}
    assert world.ask("us", body, **bearer).status_code == 200
    assert world.ask("de", body, **bearer).status_code == 403
    store.revoke(key_id)
    time.sleep(1.0)
    assert world.ask("us", body, **bearer).status_code == 401
    store.close()


def test_the_documentation_is_served_without_a_key(world: World, first_week: dict[str, MarketWeek]) -> None:
    assert httpx.get(f"{world.url}/docs").status_code == 200
    paths = httpx.get(f"{world.url}/openapi.json").json()["paths"]
    assert "/v1/markets/{market}/size-recommendations" in paths
    assert httpx.get(f"{world.url}/readyz").status_code == 200
    assert "fitwave_requests_total" in httpx.get(f"{world.url}/metrics").text


def test_the_second_week_is_shadowed_and_a_broken_feed_is_rejected_with_the_endpoint_unchanged(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    assert second_week["de"].outcome == "challenger"
    assert second_week["us"].outcome == "rejected"
    assert "auc_macro" in second_week["us"].reason
    for market, verdict in (("de", "Accepted"), ("us", "Rejected")):
        report = world.lifecycle.registry.version(market, "2").report
        assert report is not None
        assert str(report) == second_week[market].report_path
        assert verdict in report.read_text(encoding="utf-8")
    assert world.lifecycle.registry.version("us", "2").tags["fitwave.status"] == "rejected"
    assert world.lifecycle.registry.holder("us", "challenger") is None
    shoppers = world.shoppers("us")
    answer = world.ask("us", {"customer_id": shoppers.customers[0], "article_ids": [shoppers.articles[0]]})
    assert answer.json()["model_version"] == "1"
    assert (world.champion("de"), world.champion("us")) == ("1", "1")


def test_what_the_validation_gate_found_is_kept_as_a_page(world: World, second_week: dict[str, MarketWeek]) -> None:
    week = second_week["us"]
    assert week.validation_path is not None
    page = Path(week.validation_path).read_text(encoding="utf-8")
    assert "Validation of market" in page
    for part in ("customers, all", "orders, new", "returns.reason", "confidence"):
        assert part in page
    assert week.trained is not None
    assert week.trained.shifts["confidence"] >= 0


def test_a_version_is_made_again_from_what_the_lake_was_then(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--environment", "test", "--market", "us", "--as-of", "v1"]
    assert trainer_app(command, result_action="return_value") == 0
    shown = capsys.readouterr().out
    assert "us v1 was made from delta: customers" in shown
    assert "the same model" in shown
    assert list((world.environment.home / "runs").iterdir()) == []


def test_versions_are_listed_shown_and_held_against_each_other(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        fitwave(["models", *arguments, "--environment", "test"], result_action="return_value")
        return capsys.readouterr().out

    listed = said("list", "--market", "us")
    assert listed.index("v2") < listed.index("v1")
    assert "rejected" in listed and "champion" in listed
    shown = said("show", "us", "v1")
    for fact in ("train window", "lake: orders", "commit", "model/test/us/v1", "library: xgboost", "auc_macro"):
        assert fact in shown, fact
    differing = said("diff", "us", "1", "2")
    assert "as of" in differing and "auc_macro" in differing and "holdout window" in differing
    assert "training: rounds" not in differing and "library: xgboost" not in differing
    with pytest.raises(DataError, match="has no version 9"):
        said("show", "us", "9")


def test_live_traffic_is_held_against_what_the_champion_was_trained_on(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shoppers, page = world.shoppers("us"), tmp_path / "drift.html"
    command = ["drift", "--market", "us", "--environment", "test", "--out", str(page)]
    deadline = time.monotonic() + _PATIENCE_S
    while not page.exists() and time.monotonic() < deadline:
        for customer in shoppers.customers[:100]:
            world.ask("us", {"customer_id": customer, "article_ids": list(shoppers.articles[:60])})
        with suppress(DataError):  # too few were looked at so far
            assert fitwave(command, result_action="return_value") in (0, 1)
    assert "live questions beside the training of champion v1" in capsys.readouterr().out
    assert "Live traffic of market" in page.read_text(encoding="utf-8")


def wait_for_pairs(world: World, at_least: int) -> None:
    shadow = promotion.shadow_of(world.lifecycle, "de")
    assert shadow is not None
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        rows, _ = read_window(world.lake, "de", shadow.window)
        if len(rows.filter(pl.col("outcome") == COMPLETE)) >= at_least:
            return
        time.sleep(0.5)
    raise AssertionError(f"fewer than {at_least} complete pairs in {_PATIENCE_S} s: {rows['outcome'].to_list()}")


def test_traffic_is_mirrored_by_customer_in_pairs_and_the_window_can_be_judged(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Traffic(world.url, world.key, {"de": world.shoppers("de")}) as traffic:
        wait_for_pairs(world, 50)
    tally: Tally = traffic.tallies["de"]
    assert (tally.failed, dict(tally.failures)) == (0, {})
    time.sleep(3.0)  # the log's last flush
    shadow = promotion.shadow_of(world.lifecycle, "de")
    assert shadow is not None
    rows, counts = read_window(world.lake, "de", shadow.window)
    assert counts.requests == tally.sent
    assert counts.expected == len(rows)
    assert set(rows["champion_version"]) == {"1"}
    assert set(rows["challenger_version"]) == {"2"}
    assert not any(customer in rows["customer"].to_list() for customer in world.shoppers("de").customers)
    verdict = promotion.judge_window(world.lifecycle, shadow).verdict
    assert verdict.comparison.integrity.faults(world.environment.market("de").shadow) == []
    page = tmp_path / "window.html"
    shadow_app(
        ["compare", "--market", "de", "--page", str(page), "--environment", "test"], result_action="return_value"
    )
    assert f"challenger v2, window {shadow.window}" in page.read_text(encoding="utf-8")
    assert set(rows["slices"].explode().drop_nulls()) <= set(PAIR_SLICES)
    assert rows["slices"].list.len().min() == 2
    shadow_app(["status", "--environment", "test"], result_action="return_value")
    out = capsys.readouterr().out
    assert verdict.decision in out
    assert shadow.window in out.replace("\n", "")


@pytest.fixture
def console_key(world: World) -> Iterator[str]:
    """A key of somebody who may look and roll back; the console has run since the first deployment."""
    store = KeyStore(world.endpoints.redis_url, world.environment.name)
    key_id, key = store.create(frozenset({"de"}), frozenset({"console", "operate"}), "somebody")
    time.sleep(1.0)  # the console's copy of the keys
    yield key
    store.revoke(key_id)
    store.close()


def test_the_console_is_read_and_used_by_keyboard_in_light_and_dark(
    world: World, second_week: dict[str, MarketWeek], console_key: str, tmp_path: Path
) -> None:
    shadow, shoppers = promotion.shadow_of(world.lifecycle, "de"), world.shoppers("de")
    assert shadow is not None
    _, before = read_window(world.lake, "de", shadow.window)
    with browsing(require_chromium(), tmp_path) as browser:
        browser.open(f"{world.url}/console")
        assert browser.focused() == "key"
        browser.type(console_key)
        with browser.loading():
            browser.press("Enter")
        browser.tab_to("Skip to the content", most=1)
        browser.tab_to("de")
        with browser.loading():
            browser.press("Enter")
        told = browser.accessible()
        assert {"columnheader", "rowheader", "table", "image", "progressbar"} <= {role for role, _ in told}
        assert ("heading", "Ledger") in told
        assert len([name for role, name in told if role == "image" and "numbers are in the tables" in name]) == 5
        assert_named(told)
        shown = browser.evaluate("document.body.innerText")
        assert shadow.window in shown
        assert f"{cut_off(PLANS['de'], 1):%Y-%m-%d}" in shown.split("Orders and returns known until")[1]
        assert "100 %" in shown.split("Coverage")[1]
        for scheme in ("light", "dark"):
            browser.show(scheme, width=1280)
            assert min(browser.contrast(one) for one in ("main p", "th", "td", "a", "figcaption", ".chip")) >= 4.5
        grounds = {scheme: ground(browser, scheme) for scheme in ("light", "dark")}
        assert grounds["light"] != grounds["dark"]
        browser.show("dark", width=320)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 320
        browser.tab_to("Try it")
        with browser.loading():
            browser.press("Enter")
        for name, text in (("customer", shoppers.customers[0]), ("article", shoppers.articles[0])):
            browser.tab_to(name)
            browser.type(text)
        browser.tab_to("Ask")
        with browser.loading():
            browser.press("Enter")
        told = browser.accessible()
        assert_named(told)
        assert "v1, with orders and returns until" in browser.evaluate("document.body.innerText")
        assert "No size" in browser.evaluate("document.body.innerText") or ("cell", "recommended") in told
        assert browser.complaints == []
        assert {httpx.URL(url).host for url in browser.requested if not url.startswith("data:")} == {"127.0.0.1"}
    time.sleep(3.0)  # the log's next flush
    _, after = read_window(world.lake, "de", shadow.window)
    assert after.requests == before.requests


def test_a_request_is_one_trace_through_all_deployments_and_the_mirrored_call_is_linked(
    world: World, second_week: dict[str, MarketWeek], collector: Collector
) -> None:
    shadow, shoppers = promotion.shadow_of(world.lifecycle, "de"), world.shoppers("de")
    assert shadow is not None
    share = world.environment.market("de").shadow.share
    sampled = next(one for one in shoppers.customers if in_sample(one, shadow.window, share))
    body = {"customer_id": sampled, "article_ids": [shoppers.articles[0]]}
    headers = {"traceparent": TRACEPARENT, "X-Request-Id": "traced-1"}
    assert world.ask("de", body, **headers).headers["X-Request-Id"] == "traced-1"
    deadline = time.monotonic() + _PATIENCE_S
    while len(collector.of_trace(TRACE_ID)) < 5 or not collector.linked_to(TRACE_ID):
        assert time.monotonic() < deadline, collector.of_trace(TRACE_ID)
        time.sleep(0.2)
    spans = {(service, span.name): span for service, span in collector.of_trace(TRACE_ID)}
    gateway, batch = spans["Gateway", "gateway"], spans["Gateway", "batch"]
    recommend = spans["ShadowRouter", "recommend"]
    assert gateway.parent_span_id.hex() == "1" * 16
    assert (batch.parent_span_id, recommend.parent_span_id) == (gateway.span_id, batch.span_id)
    for part in (("FeatureLookup", "look_up"), ("SizeModel", "score")):
        assert spans[part].parent_span_id == recommend.span_id
        assert gateway.start_time_unix_nano <= spans[part].start_time_unix_nano
        assert spans[part].end_time_unix_nano <= gateway.end_time_unix_nano
    assert {one.key: one.value.string_value for one in gateway.attributes}["fitwave.request_id"] == "traced-1"
    [mirror] = collector.linked_to(TRACE_ID)
    assert mirror.name == "mirror" and not mirror.parent_span_id
    deadline = time.monotonic() + _PATIENCE_S
    while not any(service == "Challenger" for service, _ in collector.of_trace(mirror.trace_id.hex())):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_logs_are_json_with_the_requests_id_and_trace_and_name_no_customer(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    folder = world.environment.home / "ray" / "session_latest" / "logs" / "serve"
    lines = [line for path in folder.glob("replica_*.log") for line in path.read_text(encoding="utf-8").splitlines()]
    said = [json.loads(line) for line in lines if line]
    traced = [one for one in said if one.get("trace_id") == TRACE_ID]
    assert [(one["request_id"], one["message"]) for one in traced] == [("traced-1", "answered with 200")]
    assert {"deployment", "replica", "levelname", "asctime"} <= traced[0].keys()
    customers = [*world.shoppers("de").customers, *world.shoppers("us").customers]
    assert customers
    assert [one for one in lines if any(f'"{name}"' in one or f"'{name}'" in one for name in customers)] == []


# What an id may end with that means something in a pattern, a path, a key, a log line, a label, a URL or a format.
HOSTILE = (
    "",
    "*",
    "[a-z]?",
    "/../../etc",
    ":de@a",
    "|x|",
    '"} 1\\',
    "%0a%00",
    "\u2028{0}",
    "$(id)",
    " ' OR 1=1 --",
    "\u202e\ufeff",
)


@pytest.mark.row("28", "canary ids, measurements and keys, asked over HTTP in every way", "0 found in what is kept")
def test_who_asks_and_with_which_key_is_kept_nowhere_and_echoed_by_no_problem(
    world: World, second_week: dict[str, MarketWeek], collector: Collector, figure: Callable[[str], None]
) -> None:
    canary, measurement, guessed = "canary-5b1d0c77", "187.3133713", "canary-key-9f2e"
    article = world.shoppers("de").articles[0]
    # Of so many some are in the sample, and so in the pair log.
    for number in range(40):
        customer = f"{canary}-{number}" + HOSTILE[number % len(HOSTILE)]
        body = {"customer_id": customer, "article_ids": [article], "selected_sizes": {article: "38"}}
        traceparent = f"00-{number + 1:032x}-{1:016x}-01"
        assert world.ask("de", body, traceparent=traceparent).status_code == 200
    asked: dict[str, Any] = {"customer_id": canary, "article_ids": [article]}
    refused = [
        world.ask("de", asked | {"article_ids": []}),
        world.ask("de", asked | {"height_cm": measurement}),
        *(
            world.ask("de", asked | {"customer_id": one})
            for one in (canary * 700, f"{canary}\x00", f"{canary}\n", [canary])
        ),
        world.ask("de", asked | {"selected_sizes": {canary: "38"}}),
        world.ask("de", asked | {"selected_sizes": {article: [measurement]}}),
        world.ask("nowhere", asked),
        world.ask("de", asked | {"article_ids": ["no-such-article"]}),
        world.ask("de", asked, Authorization=f"Bearer {guessed}"),
        world.ask("de", f"{canary} {measurement}"),
    ]
    assert {one.status_code for one in refused} == {401, 404, 422}
    secret = (canary, measurement, guessed, world.key)
    assert [one.text for one in refused if any(text in one.text for text in secret)] == []
    time.sleep(2 * world.environment.serving.pair_log.flush_s + 6.0)  # the pair log, the counts and the traces

    shadow = promotion.shadow_of(world.lifecycle, "de")
    assert shadow is not None
    with redis.Redis.from_url(world.endpoints.redis_url) as client:
        keys = list(client.scan_iter(count=1000))
        told = {f"Redis: {key!r}": key + (cast("bytes | None", client.dump(key)) or b"") for key in keys}
    told["metrics"] = httpx.get(f"{world.url}/metrics", timeout=20).content
    told["traces"] = "".join(f"{service} {span}" for service, span in collector.spans).encode()
    told["pairs"] = read_window(world.lake, "de", shadow.window)[0].write_json().encode()
    files = [path for path in world.environment.home.rglob("*") if path.is_file()]
    told |= {str(path): path.read_bytes() for path in files}
    found = [name for name, text in told.items() for one in secret if one.encode() in text]
    # Registered customers are in the lake and online, and nowhere where models are kept.
    models = [path for path in files if "mlflow" in path.parts]
    registered = re.compile(rb"(?:de|us)-c\d{7}")
    found += [str(path) for path in models if registered.search(path.read_bytes())]
    figure(
        f"{40 + len(refused)} requests; {len(found)} found in {len(keys):,} keys of Redis, {len(files):,} files (logs, "
        f"pair log, MLflow), {len(collector.spans):,} spans, the metrics page and {len(refused)} problems"
    )
    assert models and len(collector.spans) > 40
    assert found == []


def assert_named(told: list[tuple[str, str]]) -> None:
    """Whatever can be used has a name that a screen reader can say."""
    usable = [(role, name) for role, name in told if role in ("link", "button", "textbox", "progressbar", "region")]
    assert usable
    assert [role for role, name in usable if not name] == []


def ground(browser: Browser, scheme: str) -> str:
    """The colour behind the page."""
    browser.show(scheme, width=1280)
    return str(browser.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_what_is_declared_is_exported_and_alerts_and_dashboards_ask_for_nothing_else(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    # Before replicas are replaced by later tests: what one has counted is shown for a while only after its end.
    tell(world.lifecycle, "de", None)
    # A verdict is told by whoever settles, which would change roles here.
    board = MetricBoard(world.endpoints.redis_url, world.environment.name)
    board.keep(SHADOW_JUDGED, time.time(), "de")
    # The dispatcher tells of its queue, and has its own tests.
    board.keep(WEEKS, 0, "queued")
    page = httpx.get(f"{world.url}/metrics", timeout=20).text
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for metric in METRICS:
        family = families.get(metric.name.removesuffix("_total"))
        assert family is not None and family.samples, metric.name
        told = set(metric.labels) | (set() if metric.kept else {"deployment", "replica"})
        assert {frozenset(sample.labels.keys() - {"le"}) for sample in family.samples} == {frozenset(told)}, metric.name
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
    samples = [sample for family in families.values() for sample in family.samples]
    # Other tests of the session serve markets of their own, which the ledger has.
    others = {folder.name for folder in (world.environment.home / "ledger").iterdir()}
    known = {*world.environment.markets, *others, "unknown"}
    assert {one.labels["market"] for one in samples if "market" in one.labels} <= known
    stages = {one.labels["stage"] for one in families["fitwave_stage_seconds"].samples}
    assert stages - {"canary"} == {"wait", "router", "lookup", "features", "model", "score"}
    reported = families["fitwave_replica_reported_timestamp_seconds"].samples
    assert {"Gateway", "ShadowRouter", "FeatureLookup", "SizeModel"} <= {one.labels["deployment"] for one in reported}
    failed = {(one.labels["market"], one.labels["stage"]) for one in families["fitwave_week_failures"].samples}
    assert ("empty", "preprocess") in failed

    haproxy = httpx.get(f"http://127.0.0.1:{world.endpoints.haproxy_metrics_port}/metrics", timeout=20).text
    assert 'haproxy_frontend_http_responses_total{proxy="http_frontend",code="5xx"}' in haproxy
    exported = {sample.name for sample in samples}
    exported |= {sample.name for family in text_string_to_metric_families(haproxy) for sample in family.samples}
    exported |= observability.recorded() | {"up"}
    asked = set().union(*map(metrics_of, observability.expressions()))
    assert asked - exported == set()


def test_promotion_and_rollback_under_traffic_fail_no_request_and_leave_no_old_answer(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    shoppers = world.shoppers("de")
    body = {"customer_id": shoppers.customers[0], "article_ids": [shoppers.articles[0]]}
    with Traffic(world.url, world.key, {"de": shoppers}) as traffic:
        time.sleep(1.0)
        promotion.promote(world.lifecycle, "de", "test", {})
        assert {world.ask("de", body).json()["model_version"] for _ in range(20)} == {"2"}
        began = time.monotonic()
        assert promotion.rollback(world.lifecycle, "de", "test") == ("2", "1")
        rollback_s = time.monotonic() - began
        assert {world.ask("de", body).json()["model_version"] for _ in range(20)} == {"1"}
        time.sleep(1.0)
    tally = traffic.tallies["de"]
    assert (tally.failed, dict(tally.failures)) == (0, {})
    assert set(tally.versions) == {"1", "2"}
    assert rollback_s < 30
    actions = [(entry.action, entry.version) for entry in world.lifecycle.ledger.entries("de")]
    assert actions == [("first", "1"), ("shadow", "2"), ("promote", "2"), ("rollback", "1")]
    with pytest.raises(DataError, match="v1 is the first champion"):
        promotion.rollback(world.lifecycle, "de", "again")


def test_a_promotion_that_was_killed_half_way_is_finished_by_running_it_again(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    registry, ledger = world.lifecycle.registry, world.lifecycle.ledger
    ledger.append(Entry("de", "shadow", "2", "1", "test"), after=4)
    ledger.append(Entry("de", "promote", "2", "1", "test"), after=5)  # and here the promoter died
    assert world.champion("de") == "1"
    promotion.promote(world.lifecycle, "de", "again", {})
    assert world.champion("de") == "2"
    assert registry.holder("de", "challenger") is None
    assert len(ledger.entries("de")) == 6
    last = ledger.last("de")
    assert last is not None
    assert (last.action, last.version, last.previous) == ("promote", "2", "1")
    shoppers = world.shoppers("de")
    answer = world.ask("de", {"customer_id": shoppers.customers[0], "article_ids": [shoppers.articles[0]]})
    assert answer.json()["model_version"] == "2"


def test_a_submitted_job_runs_by_itself_and_its_challenger_can_be_rejected_by_hand(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(world.lake, PLANS["de"], 2)
    as_of = cut_off(PLANS["de"], 2).isoformat()
    trainer_app(["submit", "--market", "de", "--as-of", as_of, "--environment", "test"], result_action="return_value")
    assert capsys.readouterr().out == f"de {as_of} queued\n"
    queue, jobs = WeekQueue(world.environment, world.endpoints), TrainerJobs(world.environment, world.endpoints)
    deadline = time.monotonic() + 240
    while (entry := queue.entries()[0]).state in ("queued", "running"):
        assert time.monotonic() < deadline, entry
        time.sleep(1.0)
    assert (entry.market, entry.state, entry.outcome, entry.attempts) == ("de", "done", "challenger", 1), entry
    lines = [json.loads(line) for line in jobs.logs(entry.job).splitlines() if line.startswith("{")]
    assert "deploy: de" in [line["message"] for line in lines]
    assert {(line["environment"], line["job"]) for line in lines} == {("test", entry.job)}
    assert [(line["market"], line["outcome"]) for line in lines if "outcome" in line] == [("de", "challenger")]
    trainer_app(["logs", entry.job, "--environment", "test"], result_action="return_value")
    assert re.search(r"^\d\d:\d\d:\d\d deploy: de$", capsys.readouterr().out, re.MULTILINE)
    trainer_app(["jobs", "--environment", "test"], result_action="return_value")
    shown = capsys.readouterr().out
    assert "done" in shown and "challenger" in shown
    assert f"fitwave trainer logs {entry.job}" in shown.replace("\n", "")
    challenger = world.lifecycle.registry.holder("de", "challenger")
    assert challenger is not None
    assert challenger.number == "3"
    promotion.reject(world.lifecycle, "de", "not now", {})
    assert world.lifecycle.registry.holder("de", "challenger") is None
    assert world.champion("de") == "2"
    with pytest.raises(DataError, match="has no challenger"):
        promotion.promote(world.lifecycle, "de", "too late", {})


def test_a_version_that_cannot_be_deployed_loses_its_role_and_blocks_nobody(
    world: World, second_week: dict[str, MarketWeek]
) -> None:
    registry = world.lifecycle.registry
    package = Path(registry.version("us", "1").ref.path)
    broken = registry.register("us", package, "0" * 64, {}, {})  # its package is not the one that was registered
    with pytest.raises(DataError, match="did not deploy"):
        world.lifecycle.go_live(broken, {})
    assert registry.holder("us", "challenger") is None
    assert registry.version("us", broken.number).tags["fitwave.status"] == "not deployed"
    world.lifecycle.publish()
    assert world.champion("us") == "1"


def running(world: World) -> dict[str, list[int]]:
    """The pids of the replicas that Serve calls running, by deployment of the live application."""
    deployments = serve_api.status(world.endpoints)["applications"]["fitwave-test"]["deployments"]
    return {
        name: [one["pid"] for one in deployment["replicas"] if one["state"] == "RUNNING"]
        for name, deployment in deployments.items()
    }


def await_replicas(world: World, each: int, gone: list[int]) -> None:
    """Until every deployment runs so many replicas, and none of those that are gone."""
    deadline = time.monotonic() + _PATIENCE_S
    while not all(len(pids) == each and not set(pids) & set(gone) for pids in running(world).values()):
        assert time.monotonic() < deadline, running(world)
        time.sleep(0.5)


def dry_run(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `fitwave serve deploy --dry-run` says."""
    capsys.readouterr()
    serve_app(["deploy", "--dry-run", "--environment", "test"], result_action="return_value")
    return capsys.readouterr().out.splitlines()


def test_replicas_are_scaled_by_numbers_in_the_config_and_killed_without_a_failed_request(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str]
) -> None:
    config = SESSION_FOLDER / "config" / "test" / "environment.yaml"
    one_each = config.read_text(encoding="utf-8")
    two = {"min": 2, "max": 2}
    parts = {"gateway": {"replicas": two}, "shadow_router": two, "feature_lookup": two, "pooled_size_model": two}
    deploy = ["deploy", "--environment", "test"]
    with Traffic(world.url, world.key, {"de": world.shoppers("de")}) as traffic:
        assert dry_run(capsys) == ["nothing would change"]
        config.write_text(yaml.safe_dump(yaml.safe_load(one_each) | {"serving": parts}), encoding="utf-8")
        said = [line for line in dry_run(capsys) if line.startswith("fitwave-test ")]
        assert said == [
            f"fitwave-test {name}: replicas: 1 -> 2 (replicas come or go, the others stay)"
            for name in ("FeatureLookup", "Gateway", "ShadowRouter", "SizeModel")
        ]
        first = running(world)
        serve_app(deploy, result_action="return_value")
        assert dry_run(capsys) == ["nothing would change"]
        assert all(set(pids) < set(running(world)[name]) for name, pids in first.items())
        assert {name: len(pids) for name, pids in running(world).items()} == dict.fromkeys(running(world), 2)
        killed = [running(world)[name][0] for name in ("ShadowRouter", "FeatureLookup", "SizeModel")]
        for pid in killed:
            psutil.Process(pid).kill()
            time.sleep(0.5)
        await_replicas(world, 2, killed)
        config.write_text(one_each, encoding="utf-8")
        serve_app(deploy, result_action="return_value")
        await_replicas(world, 1, killed)
        time.sleep(1.0)
        metrics = httpx.get(f"{world.url}/metrics", timeout=20).text
    tally = traffic.tallies["de"]
    assert tally.sent > 500
    assert (tally.failed, dict(tally.failures)) == (0, {})
    # Serve's handle is for the first call, and for when no replica is known.
    assert calls(metrics, "direct") > 20 * calls(metrics, "serve")


def calls(metrics: str, way: str) -> float:
    """How many batches the gateway has sent this way."""
    counted = [line for line in metrics.splitlines() if line.startswith("fitwave_calls_total") and way in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in counted)


def test_a_rollback_in_the_console_is_the_rollback_of_the_command_line(
    world: World, second_week: dict[str, MarketWeek], console_key: str
) -> None:
    with httpx.Client(base_url=world.url, follow_redirects=True, timeout=20) as client:
        client.post("/console/login", data={"key": console_key})
        asked = client.get("/console/markets/de/rollback").text
        assert "Bring v1 back in place of v2?" in asked
        [token] = set(re.findall(r'name="token" value="([^"]+)"', asked))
        fields = {"token": token, "champion": "2", "reason": "complaints"}
        page = client.post("/console/markets/de/rollback", data=fields).text
        deadline = time.monotonic() + _PATIENCE_S
        while "Rolling back" in page and time.monotonic() < deadline:
            time.sleep(0.5)
            page = client.get("/console/markets/de").text
        assert "Rolled back: v2 -&gt; v1" in page
        # Sent once more, as by a page that is loaded again, it changes nothing.
        client.post("/console/markets/de/rollback", data=fields)
    assert world.champion("de") == "1"
    last = world.lifecycle.ledger.last("de")
    assert last is not None
    assert (last.action, last.reason) == ("rollback", "complaints (console, key somebody)")
    body = {"customer_id": world.shoppers("de").customers[0], "article_ids": [world.shoppers("de").articles[0]]}
    assert world.ask("de", body).json()["model_version"] == "1"


def test_prometheus_is_told_where_to_scrape(world: World) -> None:
    [fitwave, haproxy] = json.loads((world.environment.state_dir / "prometheus" / "test.json").read_text())
    assert fitwave["labels"] == {"job": "fitwave", "environment": "test"}
    assert fitwave["targets"] == [f"127.0.0.1:{world.endpoints.gateway_port}"]
    assert haproxy["targets"] == [f"127.0.0.1:{world.endpoints.haproxy_metrics_port}"]


def test_the_history_is_in_the_ledger(
    world: World, second_week: dict[str, MarketWeek], capsys: pytest.CaptureFixture[str]
) -> None:
    shadow_app(["history", "--market", "de", "--environment", "test"], result_action="return_value")
    out = capsys.readouterr().out
    assert all(action in out for action in ("first", "shadow", "promote", "rollback", "reject"))
    assert json.loads((world.environment.home / "ledger" / "us" / "000001.json").read_text())["action"] == "first"
