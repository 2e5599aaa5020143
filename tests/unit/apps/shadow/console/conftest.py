"""A console over a real ledger on disk, with known keys, no Redis and no registry, and a client without a network."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from apps.shadow.console.deployment import Console
from libs.base.api_keys import KeyRing, mint
from libs.base.environment import Environment
from libs.base.key_watch import KeyWatch
from libs.models.contract import Recommendation, SizeAnswer, SizeProbability, SizeQuery, answered
from libs.models.ledger import Entry, Ledger
from tests.environments import NOWHERE, SMALL_MARKET, environment_in

# Nobody listens there, and whoever asks is told at once.
HISTORY = (
    Entry("de", "first", "1", None, "the first version of this market"),
    Entry("de", "shadow", "2", "1", "met the standards"),
    Entry("de", "promote", "2", "1", "better in <quality>", {"decision": "promote"}, by="ann@host"),
)


async def size_40(query: SizeQuery) -> SizeAnswer:
    """The live application's answer: size 40 for everything, or 41 if that was chosen."""
    size = query.selected_sizes.get(query.article_ids[0], "40")
    sizes = [SizeProbability("40", 0.1, 0.8, 0.1), SizeProbability("41", 0.05, 0.6, 0.35)]
    found = Recommendation(
        query.article_ids[0], size, 0.8, None, False, None, None, ["kept 40 of <this brand> before"], sizes
    )
    return SizeAnswer(query.request_id, "2", [answered(found)])


class Desk:
    """The console, its keys, and a browser's client that keeps cookies; `asked` are the questions of tries."""

    def __init__(self, environment: Environment) -> None:
        minted = {
            "viewer": mint("viewer", frozenset({"de"}), frozenset({"console"})),
            "operator": mint("operator", None, frozenset({"console", "operate"})),
            "shop": mint("shop", None, frozenset({"recommend", "markets"})),
        }
        self.texts = {name: text for name, (_, text) in minted.items()}
        self.ring = KeyRing(key for key, _ in minted.values())
        self.keys = KeyWatch(self._read_keys)
        self.asked: list[SizeQuery] = []
        self.answer = size_40
        self.console = Console("test", NOWHERE.redis_url, 5.0, self.keys, self._ask)
        self.console.reconfigure(
            {"environment": environment.model_dump(mode="json"), "endpoints": NOWHERE.model_dump(mode="json")}
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._serve), base_url="http://fitwave", follow_redirects=True
        )

    async def _read_keys(self) -> KeyRing:
        return self.ring

    async def _ask(self, query: SizeQuery) -> SizeAnswer:
        self.asked.append(query)
        return await self.answer(query)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self.console(Request(scope, receive)))(scope, receive, send)

    async def log_in(self, who: str) -> httpx.Response:
        return await self.client.post("/console/login", data={"key": self.texts[who]})

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(f"/console{path}")

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as the page at this path would, with the token that stands in it."""
        [token] = set(re.findall(r'name="token" value="([^"]+)"', (await self.get(path)).text))
        return await self.client.post(f"/console{path}", data={"token": token} | fields)


@pytest.fixture
def anyio_backend() -> str:
    """Ray Serve runs deployments on asyncio."""
    return "asyncio"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = environment_in(tmp_path, "test", {"de": SMALL_MARKET, "us": SMALL_MARKET})
    ledger = Ledger(found.home)
    for number, entry in enumerate(HISTORY):
        ledger.append(entry, after=number)
    ledger.settle("de", len(HISTORY))
    ledger.append(Entry("us", "first", "1", None, "the first version of this market"), after=0)
    return found


@pytest.fixture
async def desk(environment: Environment, anyio_backend: str) -> AsyncIterator[Desk]:
    desk = Desk(environment)
    yield desk
    await desk.client.aclose()
    await desk.keys.stop()
