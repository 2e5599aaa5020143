"""API keys: what one looks like, what of it is stored, and how a presented one is recognised.

A key is `fw_<key id>_<secret>`. The secret is 256 random bits, so a stored SHA-256 of it cannot be searched through:
slow password hashes exist for secrets that people choose, and would only cost every request time here.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

# `console` looks at its markets there, and may ask for a size by hand; `operate` may roll back as well.
Scope = Literal["recommend", "markets", "console", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# What a shop's key is for. The others are for people, and have to be asked for.
SHOP_SCOPES: tuple[Scope, ...] = ("recommend", "markets")

# 6 bytes of id are told apart in lists and logs; 32 bytes of secret are 43 characters of unpadded base64.
_ID_BYTES = 6
_SECRET_BYTES = 32
_TEXT = re.compile(r"fw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
# Raised with each change of what is stored of a key.
FORMAT = 2
# Compared with when the key id is unknown, so that an unknown id takes as long as a wrong secret.
_NO_DIGEST = "0" * 64


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is stored: everything but the secret. `markets` null: all of them, also future ones."""

    key_id: str
    name: str
    markets: frozenset[str] | None
    scopes: frozenset[Scope]
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None
    format: int = FORMAT

    def may_see(self, market: str) -> bool:
        """Whether the key is for this market."""
        return self.markets is None or market in self.markets


def mint(name: str, markets: frozenset[str] | None, scopes: frozenset[Scope]) -> tuple[ApiKey, str]:
    """Make a key: what to store, and the text to hand over, which exists nowhere else."""
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(key_id, name, markets, scopes, _digest(secret), datetime.now(UTC))
    return key, f"fw_{key_id}_{secret}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """The valid keys at one moment; never changed, only replaced."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.key_id: key for key in keys if key.revoked_at is None}

    def valid(self, key_id: str) -> ApiKey | None:
        """The key of this id, if it is still valid: of one that was recognised before."""
        return self._keys.get(key_id)

    def recognise(self, text: str) -> ApiKey | None:
        """The key that this text is, or None: malformed, unknown, revoked and wrong look the same from outside."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        key_id, secret = match.groups()
        key = self._keys.get(key_id)
        same = hmac.compare_digest(_digest(secret), key.sha256 if key else _NO_DIGEST)
        return key if same else None
