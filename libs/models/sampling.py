"""Who is in a shadow sample: by hash of the customer, so that a customer is always or never in it."""

import hashlib
import hmac
import secrets
from contextlib import suppress
from pathlib import Path

_RANGE = 2**64


def in_sample(customer_id: str, window: str, share: float) -> bool:
    """Whether this customer's requests are mirrored in this window."""
    return _place(customer_id, window, b"") < share * _RANGE


def in_canary(customer_id: str, window: str, share: float) -> bool:
    """Whether the challenger answers this customer, who then stays with it when the share grows.

    It says nothing about the sample: of those whom the champion answers, the same share is mirrored as before.
    """
    return _place(customer_id, window, b"canary") < share * _RANGE


def _place(customer_id: str, window: str, drawn_for: bytes) -> int:
    key = window.encode()[:64]
    digest = hashlib.blake2b(customer_id.encode(), key=key, person=drawn_for, digest_size=8).digest()
    return int.from_bytes(digest, "big")


def pseudonym(customer_id: str, secret: bytes) -> str:
    """What stands for a customer in the pair log: a keyed hash, so that only the key's holder can link it back."""
    return hmac.digest(secret, customer_id.encode(), "sha256").hex()[:32]


def pair_secret(home: Path) -> bytes:
    """The environment's key for pseudonyms, made on first use; it never leaves the environment's home."""
    path = home / "pair-key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        with suppress(FileExistsError):  # another replica was first: its key is the one
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_bytes()
