"""A gateway replica's copy of the identity provider's keys, renewed in the background: no request waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from libs.base.api_keys import KeyRing
from libs.base.environment import Tokens
from libs.base.errors import DataError, TransientError
from libs.base.holder import Holder
from libs.base.identity_tokens import Verifier, published
from libs.base.secrets import masked
from libs.base.watch import Watch

# Providers announce a new key before they use it, and a token of one that is not known makes the watch look earlier.
_RENEW_S = 300.0
# Whoever sends tokens of made-up keys does not choose how often the provider is asked.
_SOONEST_S = 5.0
_FETCH_S = 5.0
_FILE_S = 1.0
# A provider has a handful of keys, of a few hundred bytes each.
_LONGEST = 262_144


@dataclass(frozen=True)
class EitherRing:
    """API keys, and tokens beside them; `tokens` is None while the provider's keys are not known."""

    keys: KeyRing
    tokens: Verifier | None

    def recognise(self, text: str) -> Holder | None:
        """Whose key or token this is.

        Raises:
            TransientError: it may be a token, and the provider's keys are not known yet.
        """
        key = self.keys.recognise(text)
        # A token has three parts, and no API key has a dot.
        if key is not None or text.count(".") != 2:
            return key
        if self.tokens is None:
            raise TransientError("The identity provider's keys are not loaded yet. Try again in a moment.")
        return self.tokens.recognise(text)


class TokenWatch(Watch):
    """Renews the copy now and then."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__("keys of the identity provider")
        self._tokens = tokens
        self._read, self._soonest_s, self._rest_s = _source(tokens.keys)
        self._document = b""
        self._verifier: Verifier | None = None
        self._missed = asyncio.Event()

    def beside(self, keys: KeyRing) -> EitherRing:
        """What is valid now. The watch begins with the first call."""
        self.begin()
        return EitherRing(keys, self._verifier)

    async def _renew(self) -> None:
        """Raises: DataError: what was read is no key set. TransientError: it cannot be read now."""
        self._missed.clear()
        document = await self._read()
        if document != self._document:  # else what is known of verified tokens would be lost for nothing
            self._verifier = Verifier(self._tokens, published(document), self._missed.set)
            self._document = document

    async def _rest(self) -> None:
        await asyncio.sleep(self._soonest_s)
        if not self._away:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._missed.wait(), self._rest_s)


def _source(place: str) -> tuple[Callable[[], Awaitable[bytes]], float, float]:
    """How keys are read from a URL or a file, the pause after that, and what follows of it unless a key is missed."""
    if "://" not in place:
        path = Path(place)
        return lambda: asyncio.to_thread(_read_file, path), _FILE_S, 0.0
    client = httpx.AsyncClient(timeout=_FETCH_S, headers={"Accept-Encoding": "identity"})
    return lambda: _fetch(client, place), _SOONEST_S, _RENEW_S - _SOONEST_S


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(_LONGEST + 1))
    except OSError as error:
        raise TransientError(f"{path} cannot be read: {error}") from error


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes:
    found = bytearray()
    try:
        async with asyncio.timeout(_FETCH_S), client.stream("GET", url) as response:
            response.raise_for_status()
            # As it comes, so that a few compressed bytes cannot become many.
            async for chunk in response.aiter_raw():
                found += chunk
                _bounded(found)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TransientError(f"{masked(url)} cannot be read: {str(error) or type(error).__name__}") from error
    return bytes(found)


def _bounded(found: bytes | bytearray) -> bytes:
    """Raises: DataError: it is longer than any key set."""
    if len(found) > _LONGEST:
        raise DataError(f"there are more than {_LONGEST:,} bytes")
    return bytes(found)
