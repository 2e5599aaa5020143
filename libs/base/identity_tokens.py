"""Tokens of an identity provider, an alternative to API keys: which of its keys are taken, and which tokens believed.

A token is a JWT, signed with one of the keys that the provider publishes. What its header says of algorithms is not
followed: a key's type decides how it verifies, so no token can choose `none`, or take a public key for a shared secret.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from libs.base.api_keys import SHOP_SCOPES, Scope
from libs.base.environment import Tokens
from libs.base.errors import DataError

log = logging.getLogger(__name__)

# A token in a header of more than this is no token of anybody.
_LONGEST = 8192
_FEWEST_RSA_BITS = 2048
# Clocks of a provider and a gateway differ.
_LEEWAY_S = 10
# How long, and of how many tokens, it is known that they were verified: a signature costs as much as an answer.
_KEPT_S = 60.0
_KEPT = 10_000
# What PyJWT and the parsers beside it raise about what somebody sent.
_UNBELIEVABLE = (jwt.PyJWTError, msgspec.MsgspecError, ValueError)


@dataclass(frozen=True)
class PublicKey:
    """A key of the provider, and the one algorithm that it verifies."""

    algorithm: Literal["RS256", "ES256"]
    key: RSAPublicKey | EllipticCurvePublicKey


class _Claims(msgspec.Struct):
    """What is read of a token that PyJWT believes. `fitwave_markets` is a list of markets, or `*` for all of them."""

    sub: Annotated[str, msgspec.Meta(min_length=1)]
    exp: float
    scope: str = ""
    fitwave_markets: Literal["*"] | list[str] = []


@dataclass(frozen=True)
class Bearer:
    """Who has shown a token. A digest stands for the subject, which may be a name or an address."""

    key_id: str
    markets: frozenset[str] | None
    scopes: frozenset[Scope]

    def may_see(self, market: str) -> bool:
        """Whether the token is for this market."""
        return self.markets is None or market in self.markets


def published(document: bytes) -> dict[str, PublicKey]:
    """The keys of a JSON Web Key Set by their id: RSA of 2048 bits and more, and P-256. Others are left out, and told.

    Raises:
        DataError: it is none.
    """
    try:
        keys = msgspec.json.decode(document, type=dict[str, Any])["keys"]
        named = {key["kid"]: key for key in keys if isinstance(key["kid"], str)}
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"it is no JSON Web Key Set whose keys have ids: {error!r:.200}") from error
    found: dict[str, PublicKey] = {}
    for kid, values in named.items():
        try:
            found[kid] = _public_key(values)
        except (*_UNBELIEVABLE, TypeError) as error:
            log.warning("key %.80r of the identity provider is not used: %s", kid, error)
    return found


def _public_key(values: dict[str, Any]) -> PublicKey:
    """Raises: ValueError: it is not for signatures of RS256 or ES256. Others: PyJWT cannot read it."""
    if "d" in values:
        raise ValueError("it is a private key")
    if values.get("use", "sig") != "sig" or "verify" not in values.get("key_ops", ["verify"]):
        raise ValueError("it is not for signatures")
    found = _of_type(values)
    if values.get("alg", found.algorithm) != found.algorithm:
        raise ValueError(f"it is for {values['alg']!r:.20}")
    return found


def _of_type(values: dict[str, Any]) -> PublicKey:
    match values.get("kty"), values.get("crv"):
        case "RSA", None:
            rsa = RSAAlgorithm.from_jwk(values)
            if not isinstance(rsa, RSAPublicKey) or rsa.key_size < _FEWEST_RSA_BITS:
                raise ValueError(f"it has fewer than {_FEWEST_RSA_BITS} bits")
            return PublicKey("RS256", rsa)
        case "EC", "P-256":
            curve = ECAlgorithm.from_jwk(values)
            assert isinstance(curve, EllipticCurvePublicKey)
            return PublicKey("ES256", curve)
    raise ValueError("it is neither of RSA nor of P-256")


class Verifier:
    """Recognises tokens by one set of keys; never changed, only replaced, with all that it knows of tokens."""

    def __init__(self, tokens: Tokens, keys: Mapping[str, PublicKey], missed: Callable[[], None]) -> None:
        """`missed` is called for a token whose key is not known: it may be a new one."""
        self._tokens, self._keys, self._missed = tokens, keys, missed
        self._verified: dict[bytes, tuple[Bearer, float]] = {}

    def recognise(self, text: str) -> Bearer | None:
        """Who shows this token, or None: malformed, unsigned, expired and another's look the same from outside."""
        if len(text) > _LONGEST:
            return None
        digest, now = hashlib.sha256(text.encode()).digest(), time.time()
        known = self._verified.get(digest)
        if known is not None and known[1] > now:
            return known[0]
        try:
            claims = self._believed(text)
        except _UNBELIEVABLE:
            return None
        bearer = _bearer(claims)
        self._keep(digest, bearer, min(now + _KEPT_S, claims.exp))
        return bearer

    def _believed(self, text: str) -> _Claims:
        """Raises: any of `_UNBELIEVABLE`: the token is not one to believe."""
        kid = jwt.get_unverified_header(text).get("kid")
        if not isinstance(kid, str):
            raise jwt.InvalidKeyError("it names no key")
        found = self._keys.get(kid)
        if found is None:
            self._missed()
            raise jwt.InvalidKeyError("no such key")
        claims = jwt.decode(
            text,
            found.key,
            algorithms=[found.algorithm],
            issuer=self._tokens.issuer,
            audience=self._tokens.audience,
            leeway=_LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return msgspec.convert(claims, type=_Claims)

    def _keep(self, digest: bytes, bearer: Bearer, until: float) -> None:
        self._verified.pop(digest, None)
        while len(self._verified) >= _KEPT:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (bearer, until)


def _bearer(claims: _Claims) -> Bearer:
    said = claims.scope.split()
    markets = None if claims.fitwave_markets == "*" else frozenset(claims.fitwave_markets)
    subject = hashlib.sha256(claims.sub.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Bearer(f"token-{subject}", markets, frozenset(scope for scope in SHOP_SCOPES if scope in said))
