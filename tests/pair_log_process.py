"""A router's pair log in a process of its own, to be killed: it says what it has begun, pair by pair.

`python -m tests.pair_log_process LAKE FLUSH_S`
"""

import sys
import time

from libs.models.pair_writer import PairLog
from tests.pairs import add, pair


def run(lake: str, flush_s: float) -> None:
    """Begin some 200 pairs a second until the process ends; one in ten is still under way with the challenger."""
    log = PairLog(lake, flush_s)
    log.set_windows([("de", "w")])
    number = 0
    while True:
        log.count_request("de", "w", f"c{number}", sampled=True)
        if number % 10:
            add(log, "w", pair(number))
        number += 1
        print(number, flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]))
