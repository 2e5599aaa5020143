"""A window that was shown to be better waits for a person, in a real lake, ledger and registry; nothing is swapped."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.shadow import promotion
from apps.shadow.cli import app as shadow_app
from libs.base.endpoints import Endpoints, endpoints_file
from libs.features.lake import Lake
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.pair_log import window_folder, write_counts, write_part
from tests.environments import environment_in
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
    verdict = promotion.settle(lifecycle, "de")
    assert verdict is not None
    assert verdict.decision == "promote"
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


def test_what_was_not_shown_in_time_goes_by_every_policy(tmp_path: Path) -> None:
    lifecycle = shadowed(tmp_path, {"policy": "approval"})
    shadow = promotion.shadow_of(lifecycle, "de")
    assert shadow is not None
    losses(0.0).write_parquet(Path(shadow.challenger.ref.path) / "quality.parquet")
    late = promotion.Shadow("de", shadow.champion, shadow.challenger, shadow.window, 30.0, shadow.roles)
    assert promotion.judge_window(lifecycle, late).verdict.decision == "reject"
