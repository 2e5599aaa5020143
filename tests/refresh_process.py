"""A refresh in a process of its own, to be killed: `python -m tests.refresh_process FILE`, with what to do pickled."""

import pickle
import sys
from pathlib import Path


def main(path: str) -> None:
    # Ray reads how to reach the cluster when it is imported, from what the test's process has set.
    from libs.base import redis_lock
    from libs.base.cluster import connected
    from libs.features.refresh import refresh

    endpoints, destination, week, lock_s = pickle.loads(Path(path).read_bytes())
    redis_lock.HELD_S = lock_s
    with connected(endpoints):
        refresh(destination, [week])


if __name__ == "__main__":
    main(sys.argv[1])
