"""`fitwave audit`: what was done to models and to keys, in one order, with who did it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.audit_cli import app
from libs.base.author import author
from libs.base.endpoints import leave
from libs.base.key_store import KeyStore
from libs.models.ledger import Entry, Ledger
from tests.environments import NOWHERE, environment_in
from tests.redis_servers import client, server, wait_until

Run = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyStore]:
    """The keys of an environment that is up as far as they go, with ledgers of a market and of one that was removed."""
    environment = environment_in(tmp_path, "test", {"de": {}})
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        url = f"redis://127.0.0.1:{port}/0"
        leave(environment, NOWHERE.model_copy(update={"redis_url": url}))
        ledger, now = Ledger(environment.home), datetime.now(UTC)
        ago = [(now - timedelta(days=days)).isoformat() for days in (30, 3, 2)]
        ledger.append(Entry("de", "first", "1", None, "the first", at=ago[0]), after=0)
        ledger.append(Entry("de", "promote", "2", "1", "better", at=ago[1], by="ann@host"), after=1)
        ledger.append(Entry("old", "rollback", "1", "2", "worse [red]\x1b[2K\n", at=ago[2], by="key 0123"), after=0)
        yield KeyStore(url, "test")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """What the command prints."""

    def run(*arguments: str) -> str:
        app([*arguments, "--environment", "test"], result_action="return_value")
        return capsys.readouterr().out

    return run


def test_shows_roles_and_keys_in_the_order_of_time(store: KeyStore, run: Run) -> None:
    key_id, text = store.create(frozenset({"de"}), frozenset({"recommend"}), "shop")
    new = store.rotate(key_id, timedelta(hours=1))[0].followed_by
    store.revoke(key_id)
    told = [json.loads(line) for line in run("--json").splitlines()]
    assert [(act["by"], act["action"], act["subject"]) for act in told] == [
        (None, "first", "de v1"),
        ("ann@host", "promote", "de v2"),
        ("key 0123", "rollback", "old v1"),
        (author(), "create key", key_id),
        (author(), "create key", new),
        (author(), "rotate key", key_id),
        (author(), "revoke key", key_id),
    ]
    assert told[1]["detail"] == "better"
    assert told[3]["detail"] == "shop: recommend in de"
    assert text.rsplit("_", 1)[1] not in json.dumps(told)
    [digest] = [key.sha256 for key in store.all_keys() if key.key_id == key_id]
    assert digest not in json.dumps(told)


def test_since_leaves_out_what_is_older(store: KeyStore, run: Run) -> None:
    assert [json.loads(line)["action"] for line in run("--json", "--since", "7d").splitlines()] == [
        "promote",
        "rollback",
    ]


def test_what_somebody_wrote_cannot_pass_for_another_line(store: KeyStore, run: Run) -> None:
    [line] = [line for line in run().splitlines() if "old v1" in line]
    assert "worse [red]\ufffd[2K\ufffd" in line
