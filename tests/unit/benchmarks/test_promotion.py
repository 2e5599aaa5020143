"""What is said of promotions under load."""

from benchmarks.promotion import figures
from infra.demo.traffic import Tally


def test_every_failure_counts_and_of_each_change_the_slowest() -> None:
    seconds = {"deploy_s": [9.0, 8.0], "promotion_s": [1.5, 1.0], "rollback_s": [0.4, 0.7]}
    found = figures(Tally(sent=100, failed=2, failures={"503": 2}), seconds)
    assert (found["failed_requests"], found["requests"], found["turns"]) == (2, 100, 2)
    assert (found["promotion_s"], found["rollback_s"]) == (1.5, 0.7)
