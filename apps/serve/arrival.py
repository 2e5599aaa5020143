"""When a request came to HAProxy: one that is asked once more of another gateway has what is left of its deadline."""

import time

ARRIVED_HEADER = "X-Fitwave-Arrived"
# Digits of milliseconds since 1970; HAProxy writes it over whatever a caller sends.
_DIGITS = 13


def waited_s(arrived: str | None, timeout_s: float) -> float:
    """How much of `timeout_s` is gone: of a clock that differs, none or all of it at most."""
    if arrived is None or not (arrived.isascii() and arrived.isdecimal() and len(arrived) == _DIGITS):
        return 0.0
    return min(max(0.0, time.time() - int(arrived) / 1_000), timeout_s)
