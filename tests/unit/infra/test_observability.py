"""Alerts, dashboards, runbooks and the table of metrics belong together."""

import json
import re
import shutil
import subprocess

import pytest

from libs.base.environment import REPOSITORY
from libs.base.metrics import METRICS
from tests import observability
from tests.promql import metric_of, metrics_of

# Of others, which a live run shows as well; see tests/e2e.
_OTHERS = ("up", "haproxy_frontend_http_responses_total", "haproxy_backend_http_responses_total")
_ROW = re.compile(r"^\| `(fitwave_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)
PROMTOOL = shutil.which("promtool")


def test_the_table_for_people_is_what_the_code_declares() -> None:
    page = (REPOSITORY / "docs" / "observability.md").read_text(encoding="utf-8")
    told = [(name, kind, labels.strip(), meaning.strip()) for name, kind, labels, meaning in _ROW.findall(page)]
    declared = [(one.name, one.kind, ", ".join(f"`{label}`" for label in one.labels), one.meaning) for one in METRICS]
    assert told == declared


@pytest.mark.parametrize("expression", observability.expressions())
def test_an_expression_can_be_parsed_and_names_metrics_that_there_are(expression: str) -> None:
    known = {metric.name for metric in METRICS} | observability.recorded() | set(_OTHERS)
    assert {metric_of(name) for name in metrics_of(expression)} <= known


def test_an_expression_that_is_none_is_found() -> None:
    with pytest.raises(ValueError):
        metrics_of("sum(rate(fitwave_requests_total[5m])")


def test_every_alert_has_a_runbook_and_every_runbook_its_alert() -> None:
    alerts = observability.alerts()
    assert len({one["alert"] for one in alerts}) == len(alerts)
    for one in alerts:
        assert one["annotations"]["runbook_url"] == f"docs/runbooks/{one['alert']}.md"
        assert one["labels"]["severity"] in ("page", "ticket")
        assert one["annotations"]["summary"]
    assert {path.stem for path in observability.RUNBOOKS.glob("*.md")} == {one["alert"] for one in alerts}


@pytest.mark.parametrize("path", sorted(observability.RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_how_bad_it_is_what_to_look_at_and_what_helps(path: object) -> None:
    page = (observability.RUNBOOKS / str(path)).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings == ["How bad", "Look first", "Causes, and what helps"]
    assert "```sh\n" in page.split("## Look first")[1]


@pytest.mark.parametrize("path", observability.DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned(path: object) -> None:
    board = json.loads((observability.FOLDER / str(path)).read_text(encoding="utf-8"))
    assert board["uid"] and board["title"].startswith("Fitwave: ")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "fitwave", "as the provisioned data source is called"
        assert panel["targets"]


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH; it comes with Prometheus")
@pytest.mark.parametrize("path", sorted((observability.FOLDER / "tests").glob("*.yml")), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_else(path: object) -> None:
    command = [str(PROMTOOL), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
