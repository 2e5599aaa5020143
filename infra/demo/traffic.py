"""Live traffic for the demo: customers ask, every answer is counted, nothing is retried."""

import asyncio
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

# Enough at once that requests meet and are batched, little enough that two cores also run everything else.
_CALLERS = 8
_PAUSE_S = 0.02
_TIMEOUT_S = 10.0


@dataclass
class Tally:
    """One market's requests as the callers saw them."""

    sent: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Shoppers:
    """Who asks about what in one market."""

    customers: Sequence[str]
    articles: Sequence[str]


class Traffic:
    """Callers on a thread of their own, from `start` to `stop`."""

    def __init__(self, url: str, key: str, shoppers: Mapping[str, Shoppers], seed: int = 0) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._shoppers = shoppers
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.tallies = {market: Tally() for market in shoppers}

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=_TIMEOUT_S) as client:
            await asyncio.gather(*(self._call_forever(client) for _ in range(_CALLERS)))

    async def _call_forever(self, client: httpx.AsyncClient) -> None:
        while not self._stopping.is_set():
            market = self._random.choice(list(self._shoppers))
            await self._call(client, market, self.tallies[market])
            await asyncio.sleep(_PAUSE_S)

    async def _call(self, client: httpx.AsyncClient, market: str, tally: Tally) -> None:
        shoppers = self._shoppers[market]
        question = {
            "customer_id": self._random.choice(shoppers.customers),
            "article_ids": self._random.sample(shoppers.articles, self._random.randint(1, 3)),
        }
        tally.sent += 1
        try:
            answer = await client.post(f"/v1/markets/{market}/size-recommendations", json=question)
        except httpx.HTTPError as error:
            tally.failed += 1
            _count(tally.failures, type(error).__name__)
            return
        if answer.status_code == 200:
            _count(tally.versions, answer.headers["X-Model-Version"])
        else:
            tally.failed += 1
            _count(tally.failures, f"{answer.status_code} {answer.text[:200]}")


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def ask(url: str, key: str, market: str, customer: str, articles: Sequence[str]) -> dict[str, Any]:
    """One question, answered or raised."""
    answer = httpx.post(
        f"{url}/v1/markets/{market}/size-recommendations",
        headers={"Authorization": f"Bearer {key}"},
        json={"customer_id": customer, "article_ids": list(articles)},
        timeout=_TIMEOUT_S,
    )
    answer.raise_for_status()
    return dict(answer.json())
