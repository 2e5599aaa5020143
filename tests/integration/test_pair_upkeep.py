"""The command that keeps a pair log up: real files and Redis; the window that is open stays."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.shadow.cli import app
from apps.shadow.upkeep import keep_up
from libs.base import redis_lock
from libs.base.endpoints import Endpoints
from libs.base.errors import TransientError
from libs.features.lake import Lake
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.pair_compaction import alone
from libs.models.pair_log import files, read_window, window_folder, windows
from libs.models.pair_writer import PairLog
from tests.environments import SMALL_MARKET, environment_in
from tests.pairs import add, pair
from tests.redis_servers import client, server, wait_until


@pytest.fixture
def lifecycle(tmp_path: Path) -> Iterator[Lifecycle]:
    """A market whose version 2 is shadowed; MLflow and Ray are not asked."""
    environment = environment_in(tmp_path, "pairs", {"de": SMALL_MARKET})
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        endpoints = Endpoints(
            redis_url=f"redis://127.0.0.1:{port}/0",
            mlflow_uri="http://127.0.0.1:1",
            ray_address="127.0.0.1:1",
            ray_dashboard_url="http://127.0.0.1:1",
            gateway_port=1,
        )
        lifecycle = Lifecycle.of(environment, endpoints)
        for number, entry in enumerate(
            (Entry("de", "first", "1", None, "test"), Entry("de", "shadow", "2", "1", "test"))
        ):
            assert lifecycle.ledger.append(entry, number)
        yield lifecycle


def open_window(lifecycle: Lifecycle) -> str:
    window = lifecycle.history("de").roles.window
    assert window is not None
    return window


def log_pairs(lifecycle: Lifecycle, window: str, days_ago: int) -> None:
    """Three parts of a window that was written to so many days ago."""
    log = PairLog(lifecycle.environment.lake, flush_s=3600)
    for number in range(3):
        log.count_request("de", window, f"c{number}", sampled=True)
        add(log, window, pair(number))
        log.flush()
    log.close()
    at = (datetime.now(UTC) - timedelta(days=days_ago)).timestamp()
    for path in Path(window_folder(Lake.open(lifecycle.environment.lake), "de", window)).iterdir():
        os.utime(path, (at, at))


def test_old_windows_go_small_files_become_one_and_the_open_window_stays_whatever_its_age(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    window, lake = open_window(lifecycle), Lake.open(lifecycle.environment.lake)
    for name, days in ((window, 200), ("v0-old", 91), ("v1-recent", 89)):
        log_pairs(lifecycle, name, days)
    monkeypatch.setattr("apps.shadow.cli._lifecycle", lambda _: lifecycle)
    app(["compact", "--market", "de"], result_action="return_value")
    said = " ".join(capsys.readouterr().out.split())
    assert said == "de: 6 small files of pairs compacted; 2 windows kept, removed v0-old"
    assert windows(lake, "de") == sorted(["v1-recent", window])
    for name in ("v1-recent", window):
        assert len(files(lake, window_folder(lake, "de", name), ".parquet")) == 1
        rows, counts = read_window(lake, "de", name)
        assert (len(rows), counts.expected) == (3, 3)
    again = keep_up(lifecycle, "de")
    assert again.told() == "de: 0 small files of pairs compacted; 2 windows kept, none is old enough to be removed"


def test_it_waits_for_nobody_who_goes_on_working_on_the_same_log(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", 0.5)
    busy = alone(lifecycle.endpoints.redis_url, "pairs", "de")
    with busy, pytest.raises(TransientError, match="another is at work on its pair log"):
        keep_up(lifecycle, "de")
