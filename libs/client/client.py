"""Ask Fitwave which size of an article fits a customer.

    with Client("https://sizes.example.com") as fitwave:      # the API key is $FITWAVE_API_KEY
        answer = fitwave.recommend("de", "c-1001", ["a-1", "a-2"])

A client keeps its connections: make one, share it among threads (`AsyncClient`: among tasks), and close it at the end.
"""

import asyncio
import os
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast
from urllib.parse import quote

import httpx

from .answers import MarketState, Recommendations
from .exchange import Call, Exchange, Outcome, Send, Wait, exchange
from .retries import Retries

T = TypeVar("T")
Http = TypeVar("Http")

API_KEY_VARIABLE = "FITWAVE_API_KEY"


class _Caller(ABC, Generic[Http]):
    """What both clients are made from, and the questions they ask."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        deadline_s: float = 3.0,
        retries: Retries | None = None,
        connections: int = 32,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        """Reach nobody yet.

        Args:
            url: where the gateway is, like `https://sizes.example.com`.
            api_key: by default `$FITWAVE_API_KEY`.
            deadline_s: how long a call may take in all, attempts and waits together.
            retries: how often is asked again; `retries.NEVER` for never.
            connections: how many are kept at most; a call beyond waits for one.
            verify: the certificates that are trusted; by default httpx's.

        Raises:
            ValueError: there is no API key, or the URL is none.
        """
        key = api_key or os.environ.get(API_KEY_VARIABLE)
        if not key:
            raise ValueError(f"no API key: give one, or set {API_KEY_VARIABLE}")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address of a gateway: give one like https://sizes.example.com")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "fitwave-client"}
        self._deadline_s = deadline_s
        self._retries = retries or Retries()
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = self._open(limits, verify)

    @abstractmethod
    def _open(self, limits: httpx.Limits, verify: ssl.SSLContext | bool) -> Http:
        """The pool of connections."""

    def _recommendations(
        self,
        market: str,
        customer_id: str,
        article_ids: Sequence[str],
        selected_sizes: Mapping[str, str] | None,
        deadline_s: float | None,
    ) -> Exchange[Recommendations]:
        body: dict[str, Any] = {"customer_id": customer_id, "article_ids": list(article_ids)}
        if selected_sizes:
            body["selected_sizes"] = dict(selected_sizes)
        path = f"/v1/markets/{quote(market, safe='')}/size-recommendations"
        return self._exchange(Call("POST", path, body), Recommendations.of, deadline_s)

    def _markets(self, deadline_s: float | None) -> Exchange[tuple[MarketState, ...]]:
        return self._exchange(Call("GET", "/v1/markets"), _market_states, deadline_s)

    def _exchange(self, call: Call, decode: Callable[[Any], T], deadline_s: float | None) -> Exchange[T]:
        return exchange(call, decode, self._retries, self._deadline_s if deadline_s is None else deadline_s)

    def _request(self, send: Send) -> httpx.Request:
        return httpx.Request(
            send.call.method,
            self._url + send.call.path,
            headers={**self._headers, "X-Request-Id": send.request_id},
            json=send.call.body,
            extensions={"timeout": httpx.Timeout(send.timeout_s).as_dict()},
        )


def _market_states(json: Any) -> tuple[MarketState, ...]:
    return tuple(MarketState.of(one) for one in json["markets"])


class Client(_Caller[httpx.Client]):
    """For threads: a call blocks.

    A server that sends its answer a few bytes at a time is given up at the first that come after the deadline.
    """

    def _open(self, limits: httpx.Limits, verify: ssl.SSLContext | bool) -> httpx.Client:
        return httpx.Client(limits=limits, verify=verify)

    def recommend(
        self,
        market: str,
        customer_id: str,
        article_ids: Sequence[str],
        *,
        selected_sizes: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Recommendations:
        """Which size of each of these articles fits this customer, in the order asked.

        Args:
            selected_sizes: by article, the size that the customer has chosen so far.
            deadline_s: for this call alone.

        Raises:
            ClientError: there is no answer; see `errors`.
        """
        return self._run(self._recommendations(market, customer_id, article_ids, selected_sizes, deadline_s))

    def markets(self, *, deadline_s: float | None = None) -> tuple[MarketState, ...]:
        """The markets that the API key is for.

        Raises:
            ClientError: there is no answer; see `errors`.
        """
        return self._run(self._markets(deadline_s))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Exchange[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return cast("T", end.value)
            if isinstance(step, Wait):
                time.sleep(step.seconds)
                outcome = None
            else:
                outcome = self._send(step)

    def _send(self, send: Send) -> Outcome:
        deadline = time.monotonic() + send.timeout_s
        try:
            response = self._http.send(self._request(send), stream=True)
            with closing(response):
                body = bytearray()
                for part in response.iter_raw():
                    body += part
                    if time.monotonic() > deadline:
                        return httpx.ReadTimeout(f"no whole answer after {send.timeout_s:.3g} s")
        except httpx.TransportError as error:
            return error
        return httpx.Response(
            response.status_code, headers=response.headers, content=bytes(body), request=response.request
        )


class AsyncClient(_Caller[httpx.AsyncClient]):
    """For asyncio: a call can be awaited, and cancelled."""

    def _open(self, limits: httpx.Limits, verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=limits, verify=verify)

    async def recommend(
        self,
        market: str,
        customer_id: str,
        article_ids: Sequence[str],
        *,
        selected_sizes: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Recommendations:
        """As `Client.recommend`."""
        return await self._run(self._recommendations(market, customer_id, article_ids, selected_sizes, deadline_s))

    async def markets(self, *, deadline_s: float | None = None) -> tuple[MarketState, ...]:
        """As `Client.markets`."""
        return await self._run(self._markets(deadline_s))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Exchange[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return cast("T", end.value)
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await self._send(step)

    async def _send(self, send: Send) -> Outcome:
        try:
            async with asyncio.timeout(send.timeout_s):
                return await self._http.send(self._request(send))
        except TimeoutError:
            return httpx.ReadTimeout(f"no whole answer after {send.timeout_s:.3g} s")
        except httpx.TransportError as error:
            return error
