"""The metrics of many processes meet in a real server, and outlive those that are gone as long as they should."""

from prometheus_client.parser import text_string_to_metric_families

from libs.base.meter import Meter
from libs.base.metric_board import MetricBoard
from libs.base.metrics import REQUESTS, SHADOW_VERDICT, WEEK_FAILURES, WEEK_SUCCEEDED
from tests.integration.apps.serve.conftest import Server


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def counted(replica: str, times: int) -> Meter:
    meter = Meter("Gateway", replica)
    meter.count(REQUESTS, "de", "200", "none", by=times)
    return meter


def shown(page: bytes) -> dict[tuple[str, ...], float]:
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(page.decode())
        for one in family.samples
    }


def requests(replica: str) -> tuple[str, ...]:
    return ("fitwave_requests_total", "Gateway", "de", "none", replica, "200")


def test_one_page_has_all_replicas_and_the_asked_ones_as_of_now(server: Server) -> None:
    board = MetricBoard(server.url, "test")
    board.report("a", counted("a", 3).lines(), 30)
    board.report("b", counted("b", 1).lines(), 30)
    found = shown(board.page("b", counted("b", 2).lines()))
    assert found[requests("a")] == 3
    assert found[requests("b")] == 2
    assert found["fitwave_metrics_complete",] == 1


def test_who_has_said_nothing_for_long_is_forgotten_and_other_environments_are_not_seen(server: Server) -> None:
    clock = Clock()
    board = MetricBoard(server.url, "test", clock)
    MetricBoard(server.url, "other").report("c", counted("c", 9).lines(), 30)
    board.report("a", counted("a", 3).lines(), 30)
    clock.now += 31
    assert board.reports() == {}
    clock.now -= 31
    assert board.reports() == {}, "it does not come back"


def test_what_a_job_has_said_stays_when_it_is_gone(server: Server) -> None:
    job = MetricBoard(server.url, "test")
    job.keep(WEEK_SUCCEEDED, 1_700_000_000.5, "de")
    job.count(WEEK_FAILURES, "de", "validate tables")
    job.count(WEEK_FAILURES, "de", "validate tables")
    for decision in ("extend", "promote"):
        job.keep_each(SHADOW_VERDICT, {one: float(one == decision) for one in ("extend", "promote")}, "de")
    del job
    found = shown(MetricBoard(server.url, "test").page("a", {}))
    assert found["fitwave_week_succeeded_timestamp_seconds", "de"] == 1_700_000_000.5
    assert found["fitwave_week_failures_total", "de", "validate tables"] == 2
    assert found["fitwave_shadow_verdict", "promote", "de"] == 1
    assert found["fitwave_shadow_verdict", "extend", "de"] == 0


def test_while_redis_is_away_a_gateway_shows_its_own_and_says_that_it_is_not_all(server: Server) -> None:
    board = MetricBoard(server.url, "test")
    board.report("a", counted("a", 3).lines(), 30)
    server.stop()
    found = shown(board.page("b", counted("b", 2).lines()))
    assert found == {requests("b"): 2, ("fitwave_metrics_complete",): 0}
