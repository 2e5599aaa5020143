"""Locks in Redis that are renewed while their holder lives, and free soon after it has died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import redis
from redis.exceptions import LockError
from redis.lock import Lock

from libs.base.errors import TransientError

# A holder that died is in nobody's way for longer; one that lives says so three times as often.
HELD_S = 15.0


@dataclass(frozen=True)
class Held:
    """A lock that this process holds, or held."""

    lock: Lock

    def is_mine(self) -> bool:
        """Whether it is still held: nobody else has had it since.

        Raises:
            TransientError: Redis is away.
        """
        with answering():
            return bool(self.lock.owned())

    def require(self, what: str) -> None:
        """Raises: TransientError: this process stood still for so long that another may have begun meanwhile."""
        if not self.is_mine():
            raise TransientError(f"{what} stood still, and another may be at work by now. Run it again.")


@contextmanager
def hold(client: redis.Redis, name: str, patience_s: float, busy: str) -> Iterator[Held]:
    """Hold a lock for the length of a `with` block.

    Raises:
        TransientError: another holds it for longer than `patience_s`, of which `busy` tells; or Redis is away.
    """
    lock = client.lock(name, timeout=HELD_S, blocking_timeout=patience_s, thread_local=False)
    with answering():
        if not lock.acquire():
            raise TransientError(busy)
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(lock, ended), daemon=True)
    renewal.start()
    try:
        yield Held(lock)
    finally:
        ended.set()
        renewal.join()
        with answering(), suppress(LockError):
            lock.release()


def _renew(lock: Lock, ended: threading.Event) -> None:
    while not ended.wait(HELD_S / 3):
        try:
            lock.reacquire()
        except redis.RedisError:
            continue  # whoever needs it still asks


@contextmanager
def answering() -> Iterator[None]:
    """Say plainly when Redis is away.

    Raises:
        TransientError: it is.
    """
    try:
        yield
    except redis.RedisError as error:
        raise TransientError(f"Redis does not answer: {error}. Is Redis up?") from error
