"""When to ask again, and how long to wait before."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retries:
    """Ask up to `attempts` times.

    Before each further time it waits at random up to `first_wait_s`, then up to twice as long each time, at most
    `longest_wait_s`: callers that failed together do not come back together. Where the server says when to come back
    (`Retry-After`), that is waited first.
    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
    """

    attempts: int = 3
    first_wait_s: float = 0.1
    longest_wait_s: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait_s < 0 or self.longest_wait_s < 0:
            raise ValueError(f"{self}: at least one attempt, and no wait below 0 s")

    def wait_s(self, failed: int, retry_after_s: float | None) -> float:
        """How long to wait after so many failed attempts, the first being 1."""
        most = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failed - 1))
        return (retry_after_s or 0.0) + random.uniform(0.0, most)


NEVER = Retries(attempts=1)
