"""Names that end up in paths, keys, tags and URLs."""

import hashlib
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


def market_name(environment: str, market: str, longest: int = 128) -> str:
    """What a market of an environment is called in a store that other environments use too, as `fitwave-main-de`.

    Both names may have hyphens, so where a market's has one, or all of it would be too long, a digest of both is added:
    `west` of `main-us` is not `us-west` of `main`.
    """
    name = f"fitwave-{environment}-{market}"
    if "-" not in market and len(name) <= longest:
        return name
    digest = hashlib.sha256(f"{environment}/{market}".encode()).hexdigest()[:12]
    return f"{name[: longest - len(digest) - 1].rstrip('-')}-{digest}"


def feast_project(environment: str) -> str:
    """The environment's Feast project. Feast ends every Redis key with it and clears a project by suffix, so the
    name ends in a hash: no environment's project is the end of another's.
    """
    digest = hashlib.sha256(environment.encode()).hexdigest()[:12]
    return f"fitwave_{environment.replace('-', '_')}_{digest}"
