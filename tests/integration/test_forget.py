"""A customer who is forgotten is nowhere any more, and everybody else is as before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import polars as pl
import pytest

from infra.customers_cli import forget as forget_command
from libs.base import redis_lock
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.features import sides as sides_module
from libs.features.definitions import views
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.online import OnlineStore
from libs.features.preprocess import Prepared, preprocess
from libs.features.refresh import Destination, Refreshed, refresh
from libs.features.schema import CUSTOMERS, ORDERS, RETURNS
from libs.features.sides import SIDES, Sides, place
from libs.models import forget as forget_module
from libs.models.forget import forget
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from tests.environments import SMALL_MARKET, environment_in
from tests.pairs import add, pair

PLAN = MarketPlan("de", 400, 80, 400, 2)
AS_OF = cut_off(PLAN, 0)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, endpoints: Endpoints) -> Iterator[Environment]:
    """An environment of the tests' own, in the session's Redis and cluster, refreshed twice."""
    folder = tmp_path_factory.mktemp("forget")
    environment = environment_in(folder, f"forget-{token_hex(4)}", {"de": SMALL_MARKET})
    deliver(Lake.open(environment.lake), PLAN, 0)
    with pytest.MonkeyPatch.context() as patched, connected(endpoints):
        patched.setattr(sides_module, "_SETTLED_S", 0.0)
        patched.setattr(forget_module, "_FLUSHES", 0)
        for _ in SIDES:
            refresh_week(environment, endpoints, folder)
        yield environment


def refresh_week(environment: Environment, endpoints: Endpoints, folder: Path) -> tuple[Prepared, Refreshed]:
    week = preprocess(environment.lake, {"de": environment.market("de")}, AS_OF, folder / "run")["de"]
    assert isinstance(week, Prepared)
    result = refresh(Destination(environment.name, environment.home, endpoints.redis_url), [week])["de"]
    assert isinstance(result, Refreshed)
    return week, result


def log_pairs(environment: Environment, customers: list[str]) -> None:
    log, secret = PairLog(environment.lake, flush_s=3600), pair_secret(environment.home)
    for customer in customers:
        log.count_request("de", "w", customer, sampled=True)
        add(log, "w", pair(0)._replace(customer=pseudonym(customer, secret)))
    log.close()


def everything(environment: Environment) -> dict[str, bytes]:
    """Every file of the environment's, by path."""
    files = (path for path in environment.home.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def test_one_customer_is_gone_from_every_store_and_the_others_are_as_before(
    own: Environment, endpoints: Endpoints, tmp_path: Path
) -> None:
    lake = Lake.open(own.lake)
    orders = pl.DataFrame(pl.from_arrow(lake.read(ORDERS, "de")))
    returned = pl.DataFrame(pl.from_arrow(lake.read(RETURNS, "de")))["line_id"]
    # Somebody who has sent something back, so that there is something of her in every table.
    customer = orders.filter(pl.col("line_id").is_in(returned.implode()))["customer_id"].item(0)
    others = [one for one in orders["customer_id"].unique().sort().head(5) if one != customer]
    log_pairs(own, [customer, *others])
    store, view = OnlineStore.open(own.name, own.home, endpoints.redis_url), views().customers
    registered = pl.DataFrame(pl.from_arrow(lake.read(CUSTOMERS, "de")))["customer_id"].to_list()
    pages = own.home / "validation" / "de"
    pages.mkdir(parents=True)
    for name, quoted in (("quoting.html", customer), ("other.html", others[0])):
        (pages / name).write_text(f"<p>quantity is outside 1 to 10000, such as {quoted}</p>", encoding="utf-8")

    traces = {one.store: one for one in forget(own, endpoints, "de", customer)}
    assert {name: one.left for name, one in traces.items()} == dict.fromkeys(traces, 0)
    assert traces["lake: customers"].removed == 1
    assert traces["lake: orders"].removed == (orders["customer_id"] == customer).sum()
    assert traces["lake: returns"].removed > 0
    assert traces["online store"].removed == len(SIDES)
    assert traces["pair log"].removed == 1
    assert traces["validation pages"].removed == 1
    assert [path.name for path in pages.iterdir()] == ["other.html"]
    assert lake.validate("de") == []

    for side in SIDES:
        assert sorted(store.ids(view, place("de", side))) == sorted(set(registered) - {customer})
    week, result = refresh_week(own, endpoints, tmp_path)
    assert customer not in pl.read_parquet(week.customers_path)["customer_id"]
    assert result.removed == 0
    assert result.customers == len(registered) - 1
    found = [path for path, content in everything(own).items() if customer.encode() in content]
    assert found == []
    assert [one.removed for one in forget(own, endpoints, "de", customer)] == [0] * len(traces)


def test_a_week_that_had_read_the_lake_before_does_not_bring_the_customer_back(
    own: Environment, endpoints: Endpoints, tmp_path: Path
) -> None:
    week = preprocess(own.lake, {"de": own.market("de")}, AS_OF, tmp_path)["de"]
    assert isinstance(week, Prepared)
    customer = pl.read_parquet(week.customers_path)["customer_id"].item(1)
    forget(own, endpoints, "de", customer)
    result = refresh(Destination(own.name, own.home, endpoints.redis_url), [week])["de"]
    assert isinstance(result, Refreshed)
    assert result.customers == week.customers - 1
    store, live = OnlineStore.open(own.name, own.home, endpoints.redis_url), Sides(endpoints.redis_url, own.name)
    assert store.count(views().customers, live.require_live("de").place, [customer]) == 0
    # Whoever registers anew, under the old id or not, is a customer of the next week.
    later = replace(week, read_at=(datetime.now(UTC) + timedelta(minutes=2)).isoformat())
    again = refresh(Destination(own.name, own.home, endpoints.redis_url), [later])["de"]
    assert isinstance(again, Refreshed)
    assert again.customers == week.customers


def test_a_table_of_an_interrupted_week_is_told(
    own: Environment,
    endpoints: Endpoints,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    week = preprocess(own.lake, {"de": own.market("de")}, AS_OF, own.home / "runs" / "interrupted")["de"]
    assert isinstance(week, Prepared)
    customer = pl.read_parquet(week.customers_path)["customer_id"].item(0)
    monkeypatch.setattr("infra.customers_cli.load_environment", lambda _: own)
    monkeypatch.setattr("libs.base.endpoints.resolve", lambda _: endpoints)
    assert forget_command(customer, market="de") == 1
    shown = capsys.readouterr().out
    assert "a weekly job of the market is at work, or one was interrupted" in shown
    assert customer not in shown


def test_a_customer_is_not_forgotten_while_a_refresh_might_bring_her_back(
    own: Environment, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", 0.5)
    sides = Sides(endpoints.redis_url, own.name)
    with sides.refreshing("de"), pytest.raises(TransientError, match="another refresh is at work"):
        forget(own, endpoints, "de", "de-c0000001")
