"""What is stored carries the number of its format, so that a release which cannot read it says so and never guesses.

Each format counts for itself, next to the code that writes it. A reader takes its own number and the ones before it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from libs.base.errors import DataError

# What has no number was written before formats had one.
UNNUMBERED = 1
_KEY = "format"
_SHOWN = 300
_REMEDY = "Read it with the release that wrote it, or a later one."


# What decoders and constructors raise of bytes that nobody here has written: text that is no UTF-8 or no JSON, brackets
# beyond Python's stack, numbers beyond its integers, values of other kinds, and names that are missing or unknown.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


@contextmanager
def decoding(fault: str, remedy: str = "") -> Iterator[None]:
    """Say plainly that what is decoded in a `with` block is not what was stored.

    Raises:
        DataError: it is not; the message is `fault`, with why and what to do.
    """
    try:
        yield
    except _UNREADABLE as error:
        told = f"{type(error).__name__}: {error}"
        raise DataError(f"{fault}: {told:.{_SHOWN}}. {remedy}".strip()) from error


def numbered(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The values as they are stored."""
    return {_KEY: number, **values}


def values_of(stored: Mapping[str, Any], newest: int, what: str, remedy: str = _REMEDY) -> dict[str, Any]:
    """The values that were stored, without their format's number; `newest` is the one this release writes.

    Raises:
        DataError: a newer release stored them; the message names `what` and says what to do.
    """
    require_readable(int(stored.get(_KEY, UNNUMBERED)), newest, what, remedy)
    return {name: value for name, value in stored.items() if name != _KEY}


def require_readable(found: int, newest: int, what: str, remedy: str = _REMEDY) -> None:
    """Raises: DataError: the format is of a newer release."""
    if found > newest:
        raise DataError(f"{what} is of format {found}, and this release reads formats up to {newest}. {remedy}")
