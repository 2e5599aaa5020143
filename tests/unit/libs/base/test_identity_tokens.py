"""Tokens of an identity provider: which are believed, and of which keys."""

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from libs.base import identity_tokens
from libs.base.api_keys import SHOP_SCOPES
from libs.base.errors import DataError
from libs.base.identity_tokens import Verifier, published
from tests.identity_provider import Signer, ec_signer, key_set, rsa_signer, rules

NOW = 1_900_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time that it is, so many seconds from the beginning."""

    class Clock(identity_tokens.jwt.api_jwt.datetime):  # type: ignore[name-defined,misc]  # what PyJWT itself asks
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Clock)

    def set_to(seconds: float) -> None:
        monkeypatch.setattr("time.time", lambda: NOW + seconds)

    set_to(0)
    return set_to


def verifier(*keys: Signer | dict[str, Any], missed: Callable[[], None] = lambda: None) -> Verifier:
    return Verifier(rules(), published(key_set(*keys or (rsa_signer(), ec_signer()))), missed)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def with_header(token: str, **header: Any) -> str:
    _, claims, signature = token.split(".")
    return f"{encoded(header)}.{claims}.{signature}"


@pytest.mark.parametrize("signer", [rsa_signer(), ec_signer()], ids=["RS256", "ES256"])
def test_a_good_token_says_who_it_is_for_which_markets_and_uses(signer: Signer) -> None:
    bearer = verifier().recognise(signer.token(fitwave_markets=["de", "us"], scope="openid markets"))
    assert bearer is not None
    assert (bearer.may_see("de"), bearer.may_see("fr"), bearer.scopes) == (True, False, frozenset({"markets"}))
    every = verifier().recognise(signer.token())
    assert every is not None
    assert (every.may_see("any"), every.scopes) == (True, frozenset(SHOP_SCOPES))


def test_the_same_subject_is_the_same_holder_and_its_name_is_not_told() -> None:
    told = [
        verifier().recognise(ec_signer().token(sub=sub, scope=scope))
        for sub, scope in (("ann@example.com", "markets"), ("ann@example.com", ""), ("bob", ""))
    ]
    first, again, other = [bearer.key_id for bearer in told if bearer is not None]
    assert first == again != other
    assert "ann" not in first


def test_a_token_that_says_neither_uses_nor_markets_has_none() -> None:
    bearer = verifier().recognise(ec_signer().token(scope=None, fitwave_markets=None))
    assert bearer is not None
    assert (bearer.scopes, bearer.may_see("de")) == (frozenset(), False)


def test_no_token_opens_the_console() -> None:
    bearer = verifier().recognise(ec_signer().token(scope="console operate"))
    assert bearer is not None
    assert bearer.scopes == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 11},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"nbf": NOW + 11},
        {"iat": NOW + 11},
        {"iss": "https://login.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"scope": ["recommend"]},
        {"fitwave_markets": "de"},
        {"fitwave_markets": {"de": True}},
        {"fitwave_markets": [1]},
    ],
    ids=str,
)
def test_a_token_with_a_claim_that_does_not_hold_is_refused(claims: dict[str, Any]) -> None:
    assert verifier().recognise(ec_signer().token(**claims)) is None


@pytest.mark.parametrize("claims", [{"exp": NOW - 9}, {"nbf": NOW + 9}, {"aud": ["another", "fitwave"]}], ids=str)
def test_clocks_may_differ_a_little_and_a_token_may_be_for_others_too(claims: dict[str, Any]) -> None:
    assert verifier().recognise(ec_signer().token(**claims)) is not None


def test_an_unsigned_token_is_refused() -> None:
    good = rsa_signer().token()
    assert verifier().recognise(with_header(good, alg="none", kid="r1")) is None
    assert verifier().recognise(with_header(good, alg="none", kid="r1").rpartition(".")[0] + ".") is None


@pytest.mark.parametrize("signer", [rsa_signer(), ec_signer()], ids=["RS256", "ES256"])
def test_a_public_key_is_no_shared_secret(signer: Signer) -> None:
    pem = signer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = f"{encoded({'alg': 'HS256', 'kid': signer.kid})}.{signer.token().split('.')[1]}"
    made = hmac.HMAC(pem, hashes.SHA256())
    made.update(text.encode())
    signature = base64.urlsafe_b64encode(made.finalize()).rstrip(b"=").decode()
    assert verifier().recognise(f"{text}.{signature}") is None


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_another_algorithm_of_the_same_key_is_refused(algorithm: str) -> None:
    assert verifier().recognise(rsa_signer().token(algorithm=algorithm)) is None


def test_a_token_of_another_key_under_a_known_id_is_refused() -> None:
    assert verifier().recognise(ec_signer("other").token(header={"kid": "e1"})) is None
    assert verifier().recognise(rsa_signer().token(header={"kid": "e1"})) is None


def test_a_changed_token_is_refused_though_the_right_one_is_known() -> None:
    found, good = verifier(), ec_signer().token(fitwave_markets=["de"])
    assert found.recognise(good) is not None
    head, claims, signature = good.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert found.recognise(f"{head}.{encoded(said | {'fitwave_markets': '*'})}.{signature}") is None


def test_an_unknown_key_is_told_and_a_missing_id_is_not() -> None:
    missed: list[str] = []
    found = verifier(ec_signer(), missed=lambda: missed.append("missed"))
    assert found.recognise(rsa_signer("new").token()) is None
    assert missed == ["missed"]
    assert found.recognise(with_header(ec_signer().token(), alg="ES256")) is None
    assert missed == ["missed"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a.b.c",
        "\x00.\x00.\x00",
        "\u00e9.\u00e9.\u00e9",
        "e30.e30.e30",
        f"{encoded('text')}.{encoded([])}.",
        f"{encoded({'alg': ['ES256'], 'kid': ['e1']})}.e30.e30",
        base64.urlsafe_b64encode(b"[" * 6000).decode() + ".e30.e30",
        base64.urlsafe_b64encode(b'{"a":' * 1100).decode() + ".e30.e30",
    ],
    ids=range(10),
)
def test_garbage_is_refused(text: str) -> None:
    assert verifier().recognise(text) is None


def test_a_huge_token_is_refused_without_a_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "get_unverified_header", lambda _: pytest.fail("looked"))
    assert verifier().recognise(ec_signer().token(padding="x" * 9000)) is None


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (rsa_signer("weak", 1024).published(), "fewer than 2048 bits"),
        (Signer("curve", "ES384", ec.generate_private_key(ec.SECP384R1())).published(), "neither of RSA nor of P-256"),
        (
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
            "neither of RSA nor of P-256",
        ),
        (rsa_signer().published(use="enc"), "not for signatures"),
        (rsa_signer().published(alg="PS256"), "it is for 'PS256'"),
        (ec_signer().published(d="AAAA"), "a private key"),
        (ec_signer().published(x="AAAA"), "not used"),
        (rsa_signer().published(n=7), "not used"),
        (rsa_signer().published(key_ops=None), "not used"),
        ({"kty": ["RSA"], "kid": "list"}, "neither of RSA nor of P-256"),
    ],
    ids=["weak", "curve", "secret", "encryption", "algorithm", "private", "point", "number", "uses", "type"],
)
def test_a_key_of_another_kind_is_left_out_and_told(
    key: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(published(key_set(key, ec_signer("good")))) == ["good"]
    assert why in caplog.text


def test_a_token_of_a_weak_key_is_refused() -> None:
    weak = rsa_signer("weak", 1024)
    assert verifier(weak, ec_signer()).recognise(weak.token()) is None


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b'{"keys": [{}]}', b'{"keys":' * 9999]
)
def test_what_is_no_key_set_is_said_to_be(document: bytes) -> None:
    with pytest.raises(DataError, match="no JSON Web Key Set"):
        published(document)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was looked at."""
    seen: list[str] = []
    decode = jwt.decode

    def counted(text: str, *rest: Any, **options: Any) -> Any:
        seen.append(text)
        return decode(text, *rest, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    return seen


def test_a_busy_holder_costs_one_signature_a_minute(verified: list[str], clock: Callable[[float], None]) -> None:
    found, token = verifier(), ec_signer().token()
    for seconds, signatures in ((0, 1), (1, 1), (59, 1), (60, 2), (61, 2)):
        clock(seconds)
        assert found.recognise(token) is not None
        assert len(verified) == signatures


def test_a_known_token_ends_with_its_time(clock: Callable[[float], None]) -> None:
    found, token = verifier(), ec_signer().token(exp=NOW + 20)
    assert found.recognise(token) is not None
    clock(29)
    assert found.recognise(token) is not None, "within what clocks may differ"
    clock(31)
    assert found.recognise(token) is None


def test_so_many_tokens_are_known_and_no_more(verified: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_tokens, "_KEPT", 3)
    found, tokens = verifier(), [ec_signer().token(sub=f"s{number}") for number in range(4)]
    for token in [*tokens, tokens[3], tokens[0]]:
        assert found.recognise(token) is not None
    assert verified == [*tokens, tokens[0]]


def test_what_is_refused_is_not_remembered(verified: list[str]) -> None:
    found, token = verifier(), ec_signer().token(aud="another")
    assert (found.recognise(token), found.recognise(token)) == (None, None)
    assert verified == [token, token]
