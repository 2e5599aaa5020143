"""API keys in a real store, from the command line to a replica's copy."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import yaml

from apps.serve.keys_cli import app
from libs.base.api_keys import SCOPES, KeyRing
from libs.base.author import author
from libs.base.errors import DataError, TransientError
from libs.base.key_store import KeyStore, redis_changes, redis_hash
from libs.base.key_watch import KeyReader, KeyWatch
from tests.integration.apps.serve.conftest import Server

EVERY_SCOPE = frozenset(SCOPES)


@pytest.fixture
def store(server: Server) -> KeyStore:
    return KeyStore(server.url, "test")


def test_lists_what_was_created(store: KeyStore) -> None:
    first, _ = store.create(frozenset({"de", "us"}), EVERY_SCOPE, "shop")
    second, _ = store.create(None, frozenset({"markets"}), "dashboard")
    keys = store.all_keys()
    assert [(key.key_id, key.name, key.markets) for key in keys] == [
        (first, "shop", {"de", "us"}),
        (second, "dashboard", None),
    ]


def test_the_secret_is_nowhere_in_the_store(store: KeyStore, server: Server) -> None:
    key_id, text = store.create(None, EVERY_SCOPE, "shop")
    with redis.Redis(port=server.port) as client:
        hash_, changes = redis_hash("test"), redis_changes("test")
        assert set(client.keys()) == {hash_.encode(), changes.encode()}
        stored = b"".join([*client.hvals(hash_), *client.lrange(changes, 0, -1)])
        assert text.rsplit("_", 1)[1].encode() not in stored
        assert key_id.encode() in stored


def test_environments_do_not_share_keys(store: KeyStore, server: Server) -> None:
    store.create(None, EVERY_SCOPE, "shop")
    assert KeyStore(server.url, "other").all_keys() == []


def test_revoking_keeps_the_key_in_the_list_and_can_be_repeated(store: KeyStore) -> None:
    key_id, _ = store.create(None, EVERY_SCOPE, "shop")
    revoked = store.revoke(key_id)
    assert revoked.revoked_at is not None
    assert store.revoke(key_id) == revoked
    assert store.all_keys() == [revoked]


def test_revoking_an_unknown_key_says_where_the_ids_are(store: KeyStore) -> None:
    with pytest.raises(DataError, match="fitwave keys list"):
        store.revoke("000000000000")


def test_a_rotated_key_is_followed_by_one_for_the_same_use_and_both_are_taken_meanwhile(store: KeyStore) -> None:
    key_id, text = store.create(frozenset({"de"}), frozenset({"markets"}), "shop")
    old, new_text = store.rotate(key_id, timedelta(hours=24))
    found, new = store.all_keys()
    assert found == old
    assert (new.name, new.markets, new.scopes, new.expires_at) == (old.name, old.markets, old.scopes, None)
    assert old.followed_by == new.key_id
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - datetime.now(UTC) <= timedelta(hours=24)
    ring = KeyRing([found, new])
    assert [key and key.key_id for key in (ring.recognise(text), ring.recognise(new_text))] == [key_id, new.key_id]


def test_what_follows_a_key_that_expires_lasts_as_long_and_does_not_lengthen_its_life(store: KeyStore) -> None:
    key_id, _ = store.create(None, EVERY_SCOPE, "shop", timedelta(days=90))
    [before] = store.all_keys()
    old, _ = store.rotate(key_id, timedelta(days=365))
    assert old.expires_at == before.expires_at
    new = store.all_keys()[-1]
    assert new.expires_at is not None
    assert new.expires_at - new.created_at == timedelta(days=90)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("unknown", "no API key"),
        ("revoked", "is revoked: make one with `fitwave keys create`"),
        ("expired", "is expired"),
        ("rotated", "has been rotated: .* follows it"),
    ],
)
def test_only_a_valid_key_is_rotated_and_only_once(store: KeyStore, state: str, why: str) -> None:
    key_id = "000000000000"
    if state != "unknown":
        key_id, _ = store.create(None, EVERY_SCOPE, "shop", timedelta(milliseconds=1) if state == "expired" else None)
    if state == "revoked":
        store.revoke(key_id)
    if state == "rotated":
        store.rotate(key_id, timedelta(hours=1))
    time.sleep(0.002)
    before = store.all_keys(), store.changes()
    with pytest.raises(DataError, match=why):
        store.rotate(key_id, timedelta(hours=1))
    assert (store.all_keys(), store.changes()) == before


def test_of_many_who_rotate_a_key_at_once_one_does(store: KeyStore, server: Server) -> None:
    key_id, _ = store.create(None, EVERY_SCOPE, "shop")

    def rotate(_: int) -> bool:
        try:
            KeyStore(server.url, "test").rotate(key_id, timedelta(hours=1))
        except DataError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(rotate, range(8))) == 1
    assert len(store.all_keys()) == 2


def test_every_change_of_a_key_is_written_down_with_who_made_it(store: KeyStore) -> None:
    key_id, _ = store.create(frozenset({"de"}), EVERY_SCOPE, "shop")
    new = store.rotate(key_id, timedelta(hours=1))[0].followed_by
    store.revoke(key_id)
    store.revoke(key_id)
    changes = store.changes()
    assert [(change.action, change.key_id) for change in changes] == [
        ("create", key_id),
        ("create", new),
        ("rotate", key_id),
        ("revoke", key_id),
    ]
    assert {change.by for change in changes} == {author()}
    assert sorted(change.at for change in changes) == [change.at for change in changes]


def test_an_absent_store_may_come_back(store: KeyStore, server: Server) -> None:
    server.stop()
    with pytest.raises(TransientError, match="Is Redis up"):
        store.all_keys()


@pytest.mark.anyio
async def test_a_revoked_key_is_refused_within_a_second(store: KeyStore, server: Server) -> None:
    reader = KeyReader(server.url, "test")
    watch = KeyWatch(reader.read)
    key_id, text = await asyncio.to_thread(store.create, None, EVERY_SCOPE, "shop")
    ring = await watch.ring()
    assert ring is not None
    assert ring.recognise(text) is not None
    await asyncio.to_thread(store.revoke, key_id)
    revoked_at = time.monotonic()
    while (ring := await watch.ring()) is not None and ring.recognise(text) is not None:
        assert time.monotonic() - revoked_at < 1
        await asyncio.sleep(0.01)
    await watch.stop()
    await reader.close()


@pytest.mark.anyio
async def test_keys_stay_valid_while_the_store_is_away_and_are_followed_again_after(
    store: KeyStore, server: Server
) -> None:
    reader = KeyReader(server.url, "test")
    watch = KeyWatch(reader.read)
    _, text = store.create(None, EVERY_SCOPE, "shop")
    await watch.ring()
    server.stop()
    await asyncio.sleep(0.7)
    ring = await watch.ring()
    assert ring is not None
    assert ring.recognise(text) is not None
    await asyncio.to_thread(server.start)  # empty
    async with asyncio.timeout(2):
        while (ring := await watch.ring()) is not None and ring.recognise(text) is not None:
            await asyncio.sleep(0.02)
    await watch.stop()
    await reader.close()


@pytest.mark.anyio
async def test_a_damaged_entry_harms_no_other_key(store: KeyStore, server: Server) -> None:
    _, text = store.create(None, EVERY_SCOPE, "shop")
    with redis.Redis(port=server.port) as client:
        client.hset(redis_hash("test"), "damaged", b"\xff{")
    reader = KeyReader(server.url, "test")
    assert (await reader.read()).recognise(text) is not None
    await reader.close()
    with pytest.raises(DataError, match="'damaged' is damaged"):
        store.all_keys()


@pytest.fixture
def environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment `test` that is up, as far as its keys go."""
    folder = tmp_path / "config" / "test"
    (folder / "markets").mkdir(parents=True)
    (folder / "environment.yaml").write_text(yaml.safe_dump({"state_dir": str(tmp_path / "var")}))
    (folder / "markets" / "de.yaml").write_text("{}")
    home = tmp_path / "var" / "test"
    home.mkdir(parents=True)
    endpoints = {
        "redis_url": server.url,
        "mlflow_uri": "sqlite://",
        "ray_address": "10.0.0.1:6379",
        "ray_dashboard_url": "http://10.0.0.1:8265",
        "gateway_port": 8000,
    }
    (home / "endpoints.json").write_text(json.dumps(endpoints))
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    return "test"


def test_a_key_lives_and_ends_on_the_command_line(
    environment: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> str:
        app([*arguments, "--environment", environment], result_action="return_value")
        return capsys.readouterr().out

    text = run("create", "--market", "de", "--name", "shop").strip()
    key_id = text.split("_")[1]
    listed = run("list")
    assert key_id in listed
    assert text not in listed
    follower = run("rotate", key_id, "--keep", "24h").split("_")[1]
    assert follower in (listed := run("list"))
    assert "expires" in listed
    assert "is revoked" in run("revoke", key_id)
    key, new = KeyStore(server.url, "test").all_keys()
    assert key.revoked_at is not None
    assert (new.key_id, new.markets) == (follower, key.markets)
    assert "revoked" in run("list")


def test_a_key_that_is_asked_for_with_an_end_has_it(environment: str, server: Server) -> None:
    arguments = ["create", "--all-markets", "--name", "shop", "--expires", "90d", "--environment", environment]
    app(arguments, result_action="return_value")
    (key,) = KeyStore(server.url, "test").all_keys()
    assert key.expires_at is not None
    assert key.expires_at - key.created_at == timedelta(days=90)
