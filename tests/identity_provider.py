"""An identity provider of a test's own: keys, the set that it publishes of them, and tokens that it signs."""

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from libs.base.environment import Tokens

ISSUER, AUDIENCE = "https://login.example.com", "fitwave"


def rules(keys: str = "/keys.json") -> Tokens:
    """The config that takes its tokens."""
    return Tokens(issuer=ISSUER, audience=AUDIENCE, keys=keys)


@dataclass(frozen=True)
class Signer:
    """One key of the provider."""

    kid: str
    algorithm: str
    private: Any

    def published(self, **changed: Any) -> dict[str, Any]:
        """What the provider tells of it."""
        of = RSAAlgorithm if isinstance(self.private, rsa.RSAPrivateKey) else ECAlgorithm
        return of.to_jwk(self.private.public_key(), as_dict=True) | {"kid": self.kid, "use": "sig"} | changed

    def token(self, *, header: dict[str, Any] | None = None, algorithm: str = "", **claims: Any) -> str:
        """A good token of an hour for all markets; a claim that is None is left out."""
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "shop-backend",
            "exp": int(time.time()) + 3600,
            "scope": "openid recommend markets",
            "fitwave_markets": "*",
        }
        told = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode(told, self.private, algorithm or self.algorithm, {"kid": self.kid} | (header or {}))


@cache
def rsa_signer(kid: str = "r1", bits: int = 2048) -> Signer:
    """One of RS256; the same for the same arguments, since a key takes a while to make."""
    return Signer(kid, "RS256", rsa.generate_private_key(65_537, bits))


@cache
def ec_signer(kid: str = "e1") -> Signer:
    """One of ES256."""
    return Signer(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


def key_set(*keys: Signer | dict[str, Any]) -> bytes:
    """What the provider publishes."""
    return json.dumps({"keys": [key.published() if isinstance(key, Signer) else key for key in keys]}).encode()
