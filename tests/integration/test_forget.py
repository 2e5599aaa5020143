"""A customer who is forgotten is nowhere any more, and everybody else is as before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import polars as pl
import pytest
import redis

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
from libs.models import pair_log
from libs.models.forget import forget
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from tests.environments import SMALL_MARKET, environment_in
from tests.pairs import add, pair

PLAN = MarketPlan("de", 11_200, 80, 400, 2)
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


def rows_of(environment: Environment, endpoints: Endpoints, customers: list[str]) -> list[dict[str, str]]:
    """What both sides hold of these customers, in order, as text: a number that is not one equals nothing."""
    store = OnlineStore.open(environment.name, environment.home, endpoints.redis_url)
    found = [row for side in SIDES for row in store.read(views().customers, place("de", side), customers)]
    return [{name: repr(value) for name, value in row.values.items()} for row in found if row is not None]


def naming(environment: Environment, endpoints: Endpoints, customer: str) -> list[str]:
    """The files of the environment, its logs and pair log too, and the keys of all of Redis that name a customer."""
    text = customer.encode()
    with redis.Redis.from_url(endpoints.redis_url) as client:
        keys = [str(key) for key in client.scan_iter(count=1000) if text in key or text in (client.dump(key) or b"")]
    return [path for path, content in everything(environment).items() if text in content] + keys


@pytest.mark.row("17", "1 of 10,000 customers is forgotten, then a refresh", "0 keys, rows, log lines; 9,999 unchanged")
def test_one_customer_is_gone_from_every_store_and_the_others_are_as_before(
    figure: Callable[[str], None], own: Environment, endpoints: Endpoints, tmp_path: Path
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

    rest = sorted(set(registered) - {customer})
    assert len(rest) >= 9_999
    before = rows_of(own, endpoints, rest)
    assert naming(own, endpoints, customer)
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

    assert rows_of(own, endpoints, rest) == before
    for side in SIDES:
        assert sorted(store.ids(view, place("de", side))) == rest
    week, result = refresh_week(own, endpoints, tmp_path)
    assert customer not in pl.read_parquet(week.customers_path)["customer_id"]
    assert result.removed == 0
    assert result.customers == len(registered) - 1
    found = naming(own, endpoints, customer)
    after = rows_of(own, endpoints, rest)
    differing = [{name for name in one if one[name] != two[name]} for one, two in zip(before, after, strict=True)]
    # What a body suggests is fitted to all bodies, and so without hers from now on.
    changed = [names for names in differing if names - {"body_positions"}]
    figure(
        f"of 1 of {len(registered):,}: {len(found)} files, keys or lines left; of {len(after):,} rows of the others 0 "
        f"changed at once and {len(changed)} with the refresh, but for what bodies suggest, fitted anew without hers: "
        f"in {len([names for names in differing if names]):,}"
    )
    assert found == []
    assert changed == []
    assert [one.removed for one in forget(own, endpoints, "de", customer)] == [0] * len(traces)


def test_pairs_that_a_router_still_holds_go_too(
    own: Environment, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of somebody who was sampled just now for the first time there is nothing to be found yet."""
    monkeypatch.setattr(forget_module, "_FLUSHES", 2)
    customer, secret = "de-c0000777", pair_secret(own.home)
    log_pairs(own, ["de-c0000778"])
    log = PairLog(own.lake, flush_s=own.serving.pair_log.flush_s)
    log.count_request("de", "w", customer, sampled=True)
    add(log, "w", pair(0)._replace(customer=pseudonym(customer, secret)))
    traces = {one.store: one for one in forget(own, endpoints, "de", customer)}
    log.close()
    assert (traces["pair log"].removed, traces["pair log"].left) == (1, 0)
    assert pair_log.count(Lake.open(own.lake), "de", pseudonym(customer, secret)) == 0


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
