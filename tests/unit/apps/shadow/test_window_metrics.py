"""How a window stands is told, and a decision is not lost when nobody can be told."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.shadow import window_metrics
from apps.shadow.verdict import Verdict
from apps.shadow.window_metrics import tell
from libs.models.history import Roles
from libs.models.lifecycle import Lifecycle
from tests.boards import Board

SINCE = "2026-07-06T00:00:00+00:00"
WINDOW, NO_WINDOW = Roles("1", "2", SINCE), Roles("2", None, SINCE)


def told(board: Board, roles: Roles, decision: Any, patch: pytest.MonkeyPatch) -> dict[tuple[str, ...], float]:
    patch.setattr(window_metrics, "MetricBoard", lambda *_: board)
    lifecycle = SimpleNamespace(
        history=lambda _: SimpleNamespace(roles=roles),
        endpoints=SimpleNamespace(redis_url=""),
        environment=SimpleNamespace(name="test"),
    )
    verdict = Verdict(decision, "", [], cast(Any, None)) if decision else None
    tell(cast(Lifecycle, lifecycle), "de", verdict)
    return board.told


@pytest.mark.parametrize(("roles", "decision"), [(WINDOW, "extend"), (NO_WINDOW, "promote"), (NO_WINDOW, None)])
def test_one_decision_is_1_and_a_window_is_open_since_its_roles_are(
    roles: Roles, decision: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = told(Board(), roles, decision, monkeypatch)
    of = {labels[1]: value for (name, *labels), value in found.items() if name == "fitwave_shadow_verdict"}
    assert of == {one: float(one == (decision or "none")) for one in ("promote", "reject", "extend", "none")}
    opened = found["fitwave_shadow_window_opened_timestamp_seconds", "de"]
    assert opened == (1_783_296_000 if roles is WINDOW else 0)
    assert (("fitwave_shadow_judged_timestamp_seconds", "de") in found) == (decision is not None)


def test_where_nobody_can_be_told_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(Board(away=True), WINDOW, "extend", monkeypatch) == {}
    assert "are not told" in caplog.text
