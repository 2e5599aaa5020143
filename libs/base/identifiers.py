"""Names that end up in paths, keys, tags and URLs."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator

from libs.base.errors import DataError

# Letters, digits and inner hyphens only, so that a name is the same in a Redis key, a Serve application name,
# a path, a git tag and a URL, and can never climb out of any of them. 40 leaves room for prefixes in DNS labels (63).
_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")


def check_name(value: str) -> str:
    """Return `value` if it may name a market or an environment.

    Raises:
        DataError: it has a character or a length that one of the stores would not take.
    """
    if not _NAME.fullmatch(value):
        raise DataError(
            f"{value!r} is not a usable name: "
            f"use 1 to 40 lower-case letters, digits and inner hyphens, like 'de' or 'us-west'"
        )
    return value


def _check_for_pydantic(value: str) -> str:
    try:
        return check_name(value)
    except DataError as error:
        raise ValueError(str(error)) from error


Name = Annotated[str, AfterValidator(_check_for_pydantic)]


def week_name(as_of: datetime) -> str:
    """A week's name in paths, which sorts as the time it tells."""
    return f"{as_of:%Y-%m-%dT%H%M%SZ}"
