"""What was done to the API keys of an environment, by whom and when: a Redis list beside them, only ever added to."""

from datetime import datetime
from typing import Literal

import msgspec

from libs.base.api_keys import ApiKey
from libs.base.errors import DataError
from libs.base.stored_format import require_readable

Action = Literal["create", "rotate", "revoke"]

# Raised with each change of what is stored of a change.
_FORMAT = 1


class KeyChange(msgspec.Struct, frozen=True):
    """One change, as it is stored, and the key as it was left, but for its digest."""

    at: datetime
    by: str
    action: Action
    key_id: str
    name: str
    markets: frozenset[str] | None
    scopes: frozenset[str]
    expires_at: datetime | None
    followed_by: str | None
    format: int = _FORMAT

    @classmethod
    def of(cls, key: ApiKey, action: Action, by: str, at: datetime) -> "KeyChange":
        """What somebody has done to a key."""
        return cls(at, by, action, key.key_id, key.name, key.markets, key.scopes, key.expires_at, key.followed_by)

    @property
    def told(self) -> str:
        """What the key is for, and until when."""
        markets = "all markets" if self.markets is None else ", ".join(sorted(self.markets))
        until = "" if self.expires_at is None else f"; until {self.expires_at:%Y-%m-%d %H:%M}"
        followed = "" if self.followed_by is None else f"; followed by {self.followed_by}"
        return f"{self.name}: {', '.join(sorted(self.scopes))} in {markets}{until}{followed}"


def decode_change(value: bytes) -> KeyChange:
    """Read one stored entry.

    Raises:
        DataError: it is not one, or of a newer release.
    """
    try:
        change = msgspec.json.decode(value, type=KeyChange)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"an entry of the changes of API keys is damaged: {error}: {value!r:.200}") from error
    require_readable(change.format, _FORMAT, "an entry of the changes of API keys")
    return change
