"""The copy of the keys that a replica keeps."""

import asyncio
import logging

import pytest

from libs.base import key_watch
from libs.base.api_keys import KeyRing
from libs.base.errors import TransientError
from libs.base.key_watch import KeyReader, KeyWatch

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Replicas run on asyncio."""
    return "asyncio"


class Store:
    """A store that answers with its ring, or is away."""

    def __init__(self, ring: KeyRing | None) -> None:
        self.ring = ring
        self.reads = 0

    async def read(self) -> KeyRing:
        self.reads += 1
        if self.ring is None:
            raise TransientError("away")
        return self.ring


async def until_it_has(watch: KeyWatch, ring: KeyRing) -> None:
    """Wait for the watch to follow; a second is far more than it takes."""
    async with asyncio.timeout(1):
        while await watch.ring() is not ring:
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew every millisecond."""
    monkeypatch.setattr(key_watch, "_PAUSE_S", 0.001)


async def test_the_first_call_already_has_the_keys() -> None:
    ring = KeyRing(())
    watch = KeyWatch(Store(ring).read)
    assert await watch.ring() is ring
    await watch.stop()


async def test_follows_changes_without_being_asked_to() -> None:
    store = Store(KeyRing(()))
    watch = KeyWatch(store.read)
    await watch.ring()
    store.ring = KeyRing(())
    await until_it_has(watch, store.ring)
    await watch.stop()


async def test_keeps_the_last_copy_while_the_store_is_away_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    ring = KeyRing(())
    store = Store(ring)
    watch = KeyWatch(store.read)
    await watch.ring()
    store.ring = None
    with caplog.at_level(logging.WARNING):
        seen = store.reads
        while store.reads < seen + 3:
            await asyncio.sleep(0.001)
    assert await watch.ring() is ring
    assert len(caplog.records) == 1
    await watch.stop()


async def test_has_no_keys_until_the_store_answered_once() -> None:
    store = Store(None)
    watch = KeyWatch(store.read)
    assert await watch.ring() is None
    store.ring = KeyRing(())
    await until_it_has(watch, store.ring)
    await watch.stop()


async def test_begins_anew_if_it_ever_ended() -> None:
    store = Store(KeyRing(()))
    watch = KeyWatch(store.read)
    await watch.ring()
    await watch.stop()
    store.ring = KeyRing(())
    await watch.ring()
    await until_it_has(watch, store.ring)
    await watch.stop()


async def test_a_store_that_is_silent_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def take_and_be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(key_watch, "_READ_TIMEOUT_S", 0.05)
    async with await asyncio.start_server(take_and_be_silent, "127.0.0.1", 0) as server:
        reader = KeyReader(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", "test")
        with pytest.raises(TransientError, match=r"the API keys cannot be read: [A-Z]"):
            await reader.read()
        await reader.close()
