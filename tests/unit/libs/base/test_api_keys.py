"""API keys: what is handed over, what is stored, what is recognised."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import msgspec
import pytest

from libs.base import api_keys
from libs.base.api_keys import SCOPES, SHOP_SCOPES, ApiKey, KeyRing, mint
from libs.base.errors import DataError

EVERY_SCOPE = frozenset(SCOPES)


def test_a_key_is_its_id_and_256_random_bits() -> None:
    key, text = mint("shop", None, EVERY_SCOPE)
    assert re.fullmatch(r"fw_" + key.key_id + r"_[A-Za-z0-9_-]{43}", text)
    assert mint("shop", None, EVERY_SCOPE)[1] != text


def test_the_secret_is_not_in_what_is_stored() -> None:
    key, text = mint("shop", frozenset({"de"}), EVERY_SCOPE)
    stored = msgspec.json.encode(key)
    assert text[-43:].encode() not in stored
    assert msgspec.json.decode(stored, type=ApiKey) == key


def test_recognises_each_of_its_keys() -> None:
    minted = [mint(name, None, EVERY_SCOPE) for name in ("a", "b")]
    ring = KeyRing(key for key, _ in minted)
    assert [ring.recognise(text) for _, text in minted] == [key for key, _ in minted]


def test_refuses_a_revoked_key() -> None:
    key, text = mint("shop", None, EVERY_SCOPE)
    assert KeyRing([msgspec.structs.replace(key, revoked_at=datetime.now(UTC))]).recognise(text) is None


def test_refuses_a_wrong_secret_and_another_keys_secret() -> None:
    (one, text), (_, other) = mint("one", None, EVERY_SCOPE), mint("other", None, EVERY_SCOPE)
    ring = KeyRing([one])
    last = "B" if text.endswith("A") else "A"
    assert ring.recognise(text[:-1] + last) is None
    assert ring.recognise(text[:16] + other[16:]) is None
    assert ring.recognise(other) is None


@pytest.mark.parametrize("text", ["", "fw_", "fw__", "Bearer", "fw_0123456789ab_short", "fw_é", "\x00", "x" * 10_000])
def test_refuses_what_is_not_a_key(text: str) -> None:
    assert KeyRing([mint("shop", None, EVERY_SCOPE)[0]]).recognise(text) is None


def test_refuses_a_key_with_anything_after_it() -> None:
    key, text = mint("shop", None, EVERY_SCOPE)
    assert KeyRing([key]).recognise(text + "\n") is None


def test_is_for_its_markets_or_for_all() -> None:
    german, _ = mint("shop", frozenset({"de"}), EVERY_SCOPE)
    every, _ = mint("shop", None, EVERY_SCOPE)
    assert (german.may_see("de"), german.may_see("us"), every.may_see("us")) == (True, False, True)


def test_a_recognised_key_is_found_again_by_its_id_until_it_is_revoked() -> None:
    key, _ = mint("shop", None, EVERY_SCOPE)
    assert KeyRing([key]).valid(key.key_id) == key
    assert KeyRing([msgspec.structs.replace(key, revoked_at=datetime.now(UTC))]).valid(key.key_id) is None


def test_a_shops_key_opens_no_console() -> None:
    assert not {"console", "operate"} & set(SHOP_SCOPES)


class Clock(datetime):
    """A clock that a test sets."""

    at = datetime(2026, 11, 16, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(cls.at.timestamp(), tz)


def test_a_key_is_refused_from_its_expiry_on_by_the_very_ring_that_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "datetime", Clock)
    key, text = mint("shop", None, EVERY_SCOPE, timedelta(hours=24))
    ring, begun = KeyRing([key]), Clock.at
    for passed, valid in ((0, True), (86_399, True), (86_400, False), (10**7, False)):
        monkeypatch.setattr(Clock, "at", begun + timedelta(seconds=passed))
        assert (ring.recognise(text) is not None, ring.valid(key.key_id) is not None) == (valid, valid)


def test_a_key_that_is_said_no_end_of_does_not_expire() -> None:
    key, _ = mint("shop", None, EVERY_SCOPE)
    assert key.ended(datetime.now(UTC) + timedelta(days=36_500)) is None


@pytest.mark.parametrize("lasts", [timedelta(0), timedelta(seconds=-1), timedelta(days=3651), timedelta.max])
def test_no_key_is_made_that_has_expired_or_nearly_never_does(lasts: timedelta) -> None:
    with pytest.raises(DataError, match=r"a key cannot expire after .*as 24h or 90d"):
        mint("shop", None, EVERY_SCOPE, lasts)
