"""A window that was shown to be better waits for a person, or answers a share of the customers first, in a real lake,
ledger and registry; nothing is swapped.
"""

import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.shadow import promotion
from apps.shadow.cli import app as shadow_app
from libs.base.endpoints import Endpoints, endpoints_file
from libs.base.errors import TransientError
from libs.base.rollout import ApprovalRollout
from libs.features.lake import Lake
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import SPAN_S, LiveCounts
from libs.models.pair_log import window_folder, write_counts, write_part
from tests.environments import environment_in
from tests.redis_servers import client, server, wait_until
from tests.unit.apps.shadow.windows import WINDOW, counts_for, losses, pairs

HOURS = timedelta(hours=20)


def shadowed(folder: Path, rollout: dict[str, object]) -> Lifecycle:
    """A market whose v2 is shadowed for 20 of 24 hours; no cluster is up, so that a swap would fail."""
    shadow = WINDOW.model_dump(mode="json", exclude={"rollout"}) | {"rollout": rollout}
    own = environment_in(folder, "rollout", {"de": {"shadow": shadow}})
    endpoints = Endpoints(
        redis_url="redis://127.0.0.1:1",
        mlflow_uri=f"sqlite:///{folder}/mlflow.db",
        ray_address="127.0.0.1:1",
        ray_dashboard_url="http://127.0.0.1:1",
        gateway_port=1,
    )
    own.home.mkdir(parents=True, exist_ok=True)
    endpoints_file(own).write_text(endpoints.model_dump_json(), encoding="utf-8")
    found = Lifecycle.of(own, endpoints)
    package = folder / "package"
    package.mkdir()
    for _ in range(2):
        losses(0.03).write_parquet(package / "quality.parquet")
        found.registry.register("de", package, "0", {}, {})
    at = (datetime.now(UTC) - HOURS).isoformat()
    for number, entry in enumerate((Entry("de", "first", "1", None, ""), Entry("de", "shadow", "2", "1", "", at=at))):
        found.ledger.append(entry, number)
        found.ledger.settle("de", number + 1)
    log_pairs(found)
    return found


CANARY = {"policy": "canary", "steps": [0.05, 0.5], "hours": 1, "min_answers": 500, "max_mean_ms": 50}


def in_canary(folder: Path, failed: int, hours: float = 2.0) -> Lifecycle:
    """The same market in the first step of a canary, of whose challenger's 100 spans each had so many failures in 9."""
    found, now = shadowed(folder, CANARY), time.time()
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    found.ledger.append(Entry("de", "canary", "2", "1", "", at=at, canary_share=0.05), 2)
    found.ledger.settle("de", 3)
    counts = LiveCounts(found.environment.lake, lambda: now)
    for _ in range(100):
        now -= SPAN_S
        for version, failures in (("1", 0), ("2", failed)):
            for number in range(9):
                counts.add("de", version, 1, failed=number < failures, seconds=0.01)
    counts.close()
    return found


def log_pairs(lifecycle: Lifecycle) -> None:
    lake, window = Lake.open(lifecycle.environment.lake), lifecycle.history("de").roles.window
    folder, frame = window_folder(lake, "de", str(window)), pairs()
    lake.filesystem.create_dir(folder, recursive=True)
    write_part(lake, f"{folder}/part-1", frame.to_arrow())
    write_counts(lake, f"{folder}/counts-1", asdict(counts_for(frame)))


@pytest.mark.parametrize(
    ("rollout", "told"),
    [
        ({"policy": "approval"}, "approved by nobody yet: fitwave shadow promote --market de"),
        ({"policy": "pinned", "version": 1}, "not promoted: pinned to v1"),
    ],
    ids=["approval", "pinned"],
)
def test_what_was_shown_waits_beyond_the_windows_time_and_is_told(
    rollout: dict[str, object],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lifecycle = shadowed(tmp_path, rollout)
    assert promotion.notes(lifecycle, "de") == []
    settled = promotion.settle(lifecycle, "de")
    assert settled is not None
    assert settled.verdict.decision == "promote"
    assert [entry.action for entry in lifecycle.ledger.entries("de")] == ["first", "shadow"]
    [note] = promotion.notes(lifecycle, "de")
    assert told in note

    shadow = promotion.shadow_of(lifecycle, "de")
    assert shadow is not None
    assert shadow.shown
    losses(0.0).write_parquet(Path(shadow.challenger.ref.path) / "quality.parquet")
    late = promotion.Shadow("de", shadow.champion, shadow.challenger, shadow.window, 30.0, shadow.roles)
    assert promotion.judge_window(lifecycle, late).verdict.decision == "extend"

    monkeypatch.setattr("apps.shadow.cli.load_environment", lambda _: lifecycle.environment)
    shadow_app(["status"], result_action="return_value")
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("failed", "hours", "action", "share", "reason"),
    [
        (0, 2.0, "canary", 0.5, "nothing beyond its bounds at 5 %: 50 % of the customers"),
        (9, 0.3, "reject", None, "canary stopped at 5 %: 100.00% of the requests failed, surely over 1.00%"),
    ],
    ids=["fine", "fails"],
)
def test_a_step_of_a_canary_is_settled_once_however_often_settle_is_killed_before_serve_follows(
    failed: int, hours: float, action: str, share: float | None, reason: str, tmp_path: Path
) -> None:
    lifecycle = in_canary(tmp_path, failed, hours)
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        reached = lifecycle.endpoints.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})
        for _ in range(3):
            with pytest.raises(TransientError, match="Ray's dashboard does not answer"):
                promotion.settle(replace(lifecycle, endpoints=reached), "de")
    *before, entry = lifecycle.ledger.entries("de")
    assert len(before) == 3
    assert (entry.action, entry.canary_share, entry.reason) == (action, share, reason)
    figures = entry.evidence["canary"] if failed else entry.evidence
    assert figures["challenger"]["answers"] == figures["champion"]["answers"] == 900


def test_a_canary_is_told_wherever_somebody_looks_and_waits_for_its_time_whatever_the_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle = in_canary(tmp_path, failed=0, hours=0.5)
    settled = promotion.settle(lifecycle, "de")
    assert settled is not None and settled.canary is not None
    assert (settled.verdict.decision, settled.canary.state) == ("promote", "running")
    monkeypatch.setattr("apps.shadow.cli.load_environment", lambda _: lifecycle.environment)
    for command in (["status"], ["compare", "--market", "de"], ["guard", "--market", "de"]):
        shadow_app(command, result_action="return_value")
        told = "de: canary step 1 of 2: 5 % of the customers for 0.5 of 1 h, 900 answers of at least 500"
        assert told in capsys.readouterr().out, command
    shadow_app(["history", "--market", "de"], result_action="return_value")
    assert "canary 5 %" in capsys.readouterr().out
    assert len(lifecycle.ledger.entries("de")) == 3


def test_a_canary_ends_with_the_policy_and_what_was_shown_then_waits_for_a_person(tmp_path: Path) -> None:
    lifecycle = in_canary(tmp_path, failed=9)
    market = lifecycle.environment.market("de")
    approval = market.shadow.model_copy(update={"rollout": ApprovalRollout(policy="approval")})
    markets = {"de": market.model_copy(update={"shadow": approval})}
    other = replace(lifecycle, environment=lifecycle.environment.model_copy(update={"markets": markets}))
    assert promotion.settle(other, "de") is not None
    [note] = promotion.notes(other, "de")
    assert "approved by nobody yet" in note
    assert len(lifecycle.ledger.entries("de")) == 3


def test_what_was_not_shown_in_time_goes_by_every_policy(tmp_path: Path) -> None:
    lifecycle = shadowed(tmp_path, {"policy": "approval"})
    shadow = promotion.shadow_of(lifecycle, "de")
    assert shadow is not None
    losses(0.0).write_parquet(Path(shadow.challenger.ref.path) / "quality.parquet")
    late = promotion.Shadow("de", shadow.champion, shadow.challenger, shadow.window, 30.0, shadow.roles)
    assert promotion.judge_window(lifecycle, late).verdict.decision == "reject"
