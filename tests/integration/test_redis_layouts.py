"""All that is kept in Redis, through each kind of URL: a password, TLS, Sentinel with a failover, and a Cluster."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from infra.branches.key_space import KeySpace
from infra.stack.redis_server import answers, require_redis
from libs.base.api_keys import SCOPES
from libs.base.errors import TransientError
from libs.base.key_store import KeyStore
from libs.base.key_watch import KeyReader
from libs.base.market import Market
from libs.base.redis_url import RedisUrl, connect
from libs.features.definitions import repository, views
from libs.features.online import OnlineStore
from libs.features.sides import Sides, place
from libs.features.tables import MarketFeatures, build_tables
from tests.redis_servers import PASSWORD, cluster, sentinel, wait_until, with_password, with_tls
from tests.small_market import AS_OF, small_market

Start = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def with_sentinel(folder: Path) -> Iterator[str]:
    with sentinel(folder) as (url, _):
        yield url


LAYOUTS: dict[str, Start] = {"password": with_password, "tls": with_tls, "sentinel": with_sentinel, "cluster": cluster}


@pytest.fixture(scope="module", params=LAYOUTS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LAYOUTS[request.param](tmp_path_factory.mktemp(request.param)) as url:
        yield url


@pytest.fixture(scope="module")
def tables() -> MarketFeatures:
    data = small_market(lines=2_000)
    return build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)


def test_features_are_written_read_counted_found_and_removed(url: str, tables: MarketFeatures, tmp_path: Path) -> None:
    store, view = OnlineStore.open("fit", tmp_path, url), views().customers
    ids = tables.customers["customer_id"].to_list()
    store.write(view, place("de", "a"), ids, tables.customers, AS_OF)
    assert store.count(view, place("de", "a"), [*ids, "nobody"]) == len(ids)
    assert sorted(store.ids(view, place("de", "a"))) == sorted(ids)
    found, nobody = store.read(view, place("de", "a"), [ids[0], "nobody"])
    assert nobody is None
    assert found is not None
    assert found.values["history_position"] == tables.customers["history_position"].to_list()[0]
    assert store.delete(view, place("de", "a"), ids[1:]) == len(ids) - 1
    assert list(store.ids(view, place("de", "a"))) == ids[:1]


# Feast's own notation has no password with a comma.
@pytest.mark.parametrize("url", ["tls", "sentinel", "cluster"], indirect=True)
def test_feast_itself_reads_what_was_written(url: str, tables: MarketFeatures, tmp_path: Path) -> None:
    config, view, ids = repository("feast", tmp_path, url), views().customers, tables.customers["customer_id"].to_list()
    OnlineStore.open("feast", tmp_path, url).write(view, "de@a", ids, tables.customers, AS_OF)
    keys = [
        EntityKey(join_keys=["market", "customer_id"], entity_values=[Value(string_val=one) for one in ("de@a", who)])
        for who in (ids[0], "nobody")
    ]
    (at, values), _ = RedisOnlineStore().online_read(config, view, keys, ["body_positions"])
    assert at == AS_OF
    assert values is not None
    found = list(values["body_positions"].double_list_val.val)
    assert found == pytest.approx(tables.customers["body_positions"].to_list()[0], nan_ok=True)


def test_what_is_live_and_who_refreshes_it_is_kept(url: str) -> None:
    sides = Sides(url, "fit")
    sides.make_live("de", "b", AS_OF)
    assert sides.require_live("de").place == "de@b"
    sides.set_contents("de", "b", "x")
    assert sides.contents("de", "b") == "x"
    with sides.refreshing("de") as held:
        held.require("a test")
    with sides.refreshing("de"):
        pass


def test_keys_are_kept_and_watched(url: str) -> None:
    store = KeyStore(url, "fit")
    key_id, text = store.create(None, frozenset(SCOPES), "shop")
    assert [key.key_id for key in store.all_keys()] == [key_id]

    async def seen() -> bool:
        reader = KeyReader(url, "fit")
        try:
            return (await reader.read()).recognise(text) is not None
        finally:
            await reader.close()

    assert asyncio.run(seen())
    assert store.revoke(key_id).revoked_at is not None
    store.close()


def test_keys_and_what_was_done_to_them_change_together_and_go_with_the_environment(url: str) -> None:
    store = KeyStore(url, "gone")
    key_id, _ = store.create(None, frozenset(SCOPES), "shop")
    store.rotate(key_id, timedelta(hours=1))
    assert [change.action for change in store.changes()] == ["create", "create", "rotate"]
    with KeySpace(url, "gone") as space:
        space.remove()
    assert (store.all_keys(), store.changes()) == ([], [])
    store.close()


def test_it_answers_and_a_lock_can_be_held(url: str) -> None:
    require_redis(url)
    lock = connect(url, 2.0).lock("fitwave:{fit}:roles", timeout=5)
    assert lock.acquire(blocking=False)
    assert not connect(url, 2.0).lock("fitwave:{fit}:roles", timeout=5).acquire(blocking=False)
    lock.release()


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    with with_password(tmp_path) as url:
        assert answers(url)
        wrong = url.replace("p%2Ca", "other")
        with pytest.raises(TransientError, match=r"no Redis answers at redis://127\.0\.0\.1:\d+") as told:
            require_redis(wrong)
        assert "other" not in str(told.value)
        assert PASSWORD not in str(RedisUrl.parse(url))


def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    with with_tls(tmp_path) as url:
        assert not answers(url.partition("?")[0])


def test_after_a_failover_of_sentinels_the_new_master_is_asked(tables: MarketFeatures, tmp_path: Path) -> None:
    with sentinel(tmp_path / "servers") as (url, master):
        store, view, sides = OnlineStore.open("fit", tmp_path, url), views().customers, Sides(url, "fit")
        ids = tables.customers["customer_id"].to_list()
        store.write(view, place("de", "a"), ids, tables.customers, AS_OF)
        sides.make_live("de", "a", AS_OF)
        wait_until(lambda: connect(url, 2.0).execute_command("WAIT", 1, 1000) == 1)
        master.kill()

        def again() -> bool:
            try:
                return store.count(view, place("de", "a"), ids) == len(ids) and sides.live("de") is not None
            except TransientError:
                return False

        wait_until(again)
        store.write(view, place("de", "a"), ["new"], tables.customers.head(1), datetime.now(UTC))
        assert store.count(view, place("de", "a"), ["new"]) == 1
