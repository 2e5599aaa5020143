"""The keys of one environment in a Redis that others use too."""

from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import cast

import redis

from libs.base.identifiers import feast_project
from libs.base.redis_lock import answering
from libs.base.redis_url import connect

_TIMEOUT_S = 10.0
# Keys in one answer and in one removal: each takes the server a fraction of a millisecond.
_BATCH = 500


class KeySpace:
    """One environment's keys: its own, and those of its Feast project. Every method raises TransientError if Redis is
    away.
    """

    def __init__(self, redis_url: str, environment: str) -> None:
        self._redis: redis.Redis = connect(redis_url, _TIMEOUT_S)
        self._project = feast_project(environment).encode()
        # Those of one slot of a Cluster, and those by the name alone.
        self._heads = (f"fitwave:{{{environment}}}:".encode(), f"fitwave:{environment}:".encode())
        self._claim = f"fitwave:{{{environment}}}:made-by"

    def __enter__(self) -> "KeySpace":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.close()

    def keys(self) -> Iterator[bytes]:
        """All of them, found by going through every key of the store; one may come twice."""
        patterns = (*(head + b"*" for head in self._heads), b"*" + self._project)
        with answering():
            for pattern in patterns:
                for key in self._redis.scan_iter(match=pattern, count=_BATCH):
                    if key.startswith(self._heads) or key.endswith(self._project):
                        yield key

    def claim(self, by: str) -> bool:
        """Note that the keys are of the checkout with this id; false if they are another's."""
        with answering():
            self._redis.set(self._claim, by, nx=True)
            return self._redis.get(self._claim) == by.encode()

    def is_of_another(self, than: str) -> bool:
        """Whether the keys are another checkout's than the one with this id."""
        with answering():
            return self._redis.get(self._claim) not in (None, than.encode())

    def remove(self) -> int:
        """Remove them a batch at a time, until none is found; how many there were. Whose they are is forgotten last."""
        removed, found = 0, True
        while found:
            others = (key for key in self.keys() if key != self._claim.encode())
            found = False
            while batch := list(islice(others, _BATCH)):
                found = True
                with answering():
                    removed += cast("int", self._redis.unlink(*batch))
        with answering():
            return removed + cast("int", self._redis.unlink(self._claim))
