"""Who is in a shadow sample: by hash of the customer, so that a customer is always or never in it."""

import hashlib
import hmac

_RANGE = 2**64


def in_sample(customer_id: str, window: str, share: float) -> bool:
    """Whether this customer's requests are mirrored in this window."""
    digest = hashlib.blake2b(customer_id.encode(), key=window.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _RANGE


def pseudonym(customer_id: str, secret: bytes) -> str:
    """What stands for a customer in the pair log: a keyed hash, so that only the key's holder can link it back."""
    return hmac.new(secret, customer_id.encode(), hashlib.sha256).hexdigest()[:32]
