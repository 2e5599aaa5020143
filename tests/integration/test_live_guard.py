"""A promoted version that fails live goes back: by the real ledger, registry and Redis, with Serve away meanwhile."""

import time
from pathlib import Path

import pytest

from apps.shadow.guard import watch
from libs.base.endpoints import Endpoints
from libs.base.errors import TransientError
from libs.models.fingerprint import BOOSTER_FILE, CARD_FILE, fingerprint
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import SPAN_S, LiveCounts
from tests.environments import environment_in
from tests.redis_servers import client, server, wait_until


def promoted(folder: Path, redis_port: int) -> Lifecycle:
    """A market whose v2 has just been promoted over v1."""
    own = environment_in(folder, "guard", {"de": {"shadow": {"guard": {"max_mean_ms": 50}}}})
    endpoints = Endpoints(
        redis_url=f"redis://127.0.0.1:{redis_port}/0",
        mlflow_uri=f"sqlite:///{folder}/mlflow.db",
        ray_address="127.0.0.1:1",
        ray_dashboard_url="http://127.0.0.1:1",
        gateway_port=1,
    )
    found = Lifecycle.of(own, endpoints)
    package = folder / "package"
    package.mkdir()
    for name in (BOOSTER_FILE, CARD_FILE):
        (package / name).touch()
    for _ in range(2):
        found.registry.register("de", package, fingerprint(package), {}, {})
    told = (
        Entry("de", "first", "1", None, ""),
        Entry("de", "shadow", "2", "1", ""),
        Entry("de", "promote", "2", "1", ""),
    )
    for number, entry in enumerate(told):
        assert found.ledger.append(entry, number)
        found.ledger.settle("de", number + 1)
    found.registry.assign("de", "champion", "2")
    return found


def count_failures(lake: str, spans: int) -> None:
    """Have a router count nothing but failures of v2 in so many spans from the next one on."""
    now = time.time()
    counts = LiveCounts(lake, lambda: now)
    for _ in range(spans):
        now += SPAN_S
        counts.add("de", "2", 5, failed=True, seconds=0.01)
    counts.close()


def test_a_promoted_version_that_fails_live_goes_back_once_and_serve_follows_when_it_is_there(tmp_path: Path) -> None:
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        lifecycle = promoted(tmp_path, port)
        with lifecycle.unchanging() as state:
            assert state.champions["de"].version == "2"
            # Whoever changes roles waits for this lock.
            assert client(port).exists("fitwave:{guard}:roles")
        assert not client(port).exists("fitwave:{guard}:roles")
        live = watch(lifecycle, "de").promoted
        assert live is not None
        assert (live.failed.n, live.breach) == (0, "")
        count_failures(lifecycle.environment.lake, spans=20)
        for _ in range(2):  # the second goes on from where the first was left
            with pytest.raises(TransientError, match="Ray's dashboard does not answer"):
                watch(lifecycle, "de")
    *before, entry = lifecycle.ledger.entries("de")
    assert len(before) == 3
    assert (entry.action, entry.version, entry.previous) == ("rollback", "1", "2")
    assert entry.reason == "live breach: 100.00% of the requests failed, surely over 1.00%"
    assert entry.evidence["failed"]["n"] == 20
    holder = lifecycle.registry.holder("de", "champion")
    assert holder is not None
    assert holder.number == "1"
    assert lifecycle.registry.version("de", "2").tags["fitwave.status"] == "rolled back"
