"""The copy of an identity provider's keys that a replica keeps."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.base import token_watch
from libs.base.api_keys import SCOPES, KeyRing, mint
from libs.base.errors import TransientError
from libs.base.token_watch import TokenWatch
from tests.identity_provider import ec_signer, key_set, rsa_signer, rules

pytestmark = pytest.mark.anyio

KEY, TEXT = mint("shop", None, frozenset(SCOPES))
RING = KeyRing([KEY])
OLD, NEW = ec_signer("old").token(), rsa_signer("new").token()
Watch = Callable[[str], TokenWatch]


@pytest.fixture
def anyio_backend() -> str:
    """Replicas run on asyncio."""
    return "asyncio"


@pytest.fixture
async def watch(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """Makes watches that read a file every millisecond, and a URL at most every 100 ms, else once an hour."""
    monkeypatch.setattr(token_watch, "_FILE_S", 0.001)
    monkeypatch.setattr(token_watch, "_SOONEST_S", 0.1)
    monkeypatch.setattr(token_watch, "_RENEW_S", 3600.0)
    made: list[TokenWatch] = []

    def make(place: str) -> TokenWatch:
        made.append(TokenWatch(rules(place)))
        return made[-1]

    yield make
    for one in made:
        await one.stop()


class Provider:
    """Serves `answer`, as HTTP, on a port of loopback."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked = 0
        self.delay_s = 0.0

    def publish(self, body: bytes, status: str = "200 OK", more: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        self.answer = head.encode() + body

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        writer.write(self.answer)
        writer.close()


@pytest.fixture
async def provider(anyio_backend: str) -> AsyncIterator[tuple[Provider, str]]:
    """A provider that publishes the old key, and where."""
    provider = Provider()
    provider.publish(key_set(ec_signer("old")))
    async with await asyncio.start_server(provider, "127.0.0.1", 0) as server:
        yield provider, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"


def knows(watch: TokenWatch, text: str) -> bool:
    try:
        return watch.beside(RING).recognise(text) is not None
    except TransientError:
        return False


async def until(true: Callable[[], bool]) -> None:
    """Wait for the watch to follow; ten seconds are far more than it takes."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.002)


async def test_a_file_is_read_again_when_it_has_changed(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(ec_signer("old")))
    found = watch(str(path))
    await until(lambda: knows(found, OLD))
    assert not knows(found, NEW)
    path.write_bytes(key_set(rsa_signer("new")))
    await until(lambda: knows(found, NEW))
    assert not knows(found, OLD), "what was known of its tokens went with the old key"


async def test_what_is_known_of_tokens_stays_while_the_keys_are_the_same(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(ec_signer("old")))
    found = watch(str(path))
    await until(lambda: knows(found, OLD))
    before = found.beside(RING).tokens
    await asyncio.sleep(0.05)
    assert found.beside(RING).tokens is before


async def test_api_keys_are_taken_beside_tokens_and_before_the_providers_keys_are_known(watch: Watch) -> None:
    found = watch("/nowhere/keys.json")
    ring = found.beside(RING)
    assert ring.recognise(TEXT) == KEY
    assert ring.recognise("fw_000000000000_" + "A" * 43) is None
    with pytest.raises(TransientError, match="not loaded yet"):
        ring.recognise(OLD)


async def test_no_request_waits_for_the_provider(watch: Watch, provider: tuple[Provider, str]) -> None:
    found = watch(provider[1])
    assert not knows(found, OLD)
    assert provider[0].asked == 0
    await until(lambda: knows(found, OLD))


async def test_an_unknown_key_is_looked_for_at_once_but_not_for_each_token(
    watch: Watch, provider: tuple[Provider, str]
) -> None:
    found = watch(provider[1])
    await until(lambda: knows(found, OLD))
    await asyncio.sleep(0.3)
    assert provider[0].asked == 1, "nothing was missed"
    provider[0].publish(key_set(ec_signer("old"), rsa_signer("new")))
    await until(lambda: knows(found, NEW))
    assert knows(found, OLD)
    nobodys, asked, begun = rsa_signer("nobody's").token(), provider[0].asked, time.monotonic()
    async with asyncio.timeout(10):
        while provider[0].asked < asked + 3:
            knows(found, nobodys)
            await asyncio.sleep(0.001)
    assert time.monotonic() - begun >= 2 * 0.1, "between three looks are two pauses"


async def test_a_provider_that_is_away_takes_no_key_away_and_is_told_of_once(
    watch: Watch, provider: tuple[Provider, str], caplog: pytest.LogCaptureFixture
) -> None:
    found = watch(provider[1])
    await until(lambda: knows(found, OLD))
    with caplog.at_level(logging.WARNING):
        for answer in (
            (b"", "500 Internal Server Error"),
            (b"<html>log in</html>", "200 OK"),
            (key_set(rsa_signer("new")) + b" " * 300_000, "200 OK"),
            (key_set(rsa_signer("new")), "302 Found", "Location: /other\r\n"),
        ):
            provider[0].publish(*answer)
            knows(found, NEW)
            asked = provider[0].asked
            await until(lambda asked=asked: provider[0].asked > asked + 1)  # type: ignore[misc]
            assert (knows(found, OLD), knows(found, NEW)) == (True, False)
    assert len([one for one in caplog.records if "stay in use" in one.getMessage()]) == 1
    provider[0].publish(key_set(rsa_signer("new")))
    await until(lambda: knows(found, NEW))


async def test_a_provider_that_is_silent_is_given_up(
    watch: Watch, provider: tuple[Provider, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(token_watch, "_FETCH_S", 0.05)
    provider[0].delay_s = 60
    found = watch(provider[1])
    with caplog.at_level(logging.WARNING):
        knows(found, OLD)
        await until(lambda: "cannot be read" in caplog.text)


async def test_begins_anew_if_it_ever_ended(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(ec_signer("old")))
    found = watch(str(path))
    await until(lambda: knows(found, OLD))
    await found.stop()
    path.write_bytes(key_set(rsa_signer("new")))
    await until(lambda: knows(found, NEW))
