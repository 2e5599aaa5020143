"""Nobody gets in without a valid key or token for this market and this use, on any route, nor for long after."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from apps.serve.documentation import openapi
from apps.serve.gateway import Gateway
from apps.shadow.console.deployment import Console
from libs.base.api_keys import SCOPES
from libs.base.key_store import KeyStore
from libs.base.key_watch import KeyReader, KeyWatch
from libs.base.telemetry import Telemetry
from tests.identity_provider import AUDIENCE, ISSUER, ec_signer, key_set, rsa_signer
from tests.integration.apps.serve.conftest import Server
from tests.unit.apps.serve.router import Router, size_38

pytestmark = pytest.mark.anyio

QUESTION = {"customer_id": "c", "article_ids": ["a"]}
EVERY_SCOPE = frozenset(SCOPES)
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Place:
    """Something that asks who comes: two replicas of it, and how to go there."""

    clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
    method: str
    path: str
    is_of_a_market: bool = False

    async def ask(self, headers: Mapping[str, str]) -> list[httpx.Response]:
        return [await client.request(self.method, self.path, headers=headers, json=QUESTION) for client in self.clients]


def client_of(answer: Answer) -> httpx.AsyncClient:
    async def serve(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await (await answer(Request(scope, receive)))(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(serve), base_url="http://fitwave")


class World:
    """Two replicas of the gateway and of the console, that know keys only by the store and tokens by the provider."""

    def __init__(self, url: str, provider: Path) -> None:
        self.store = KeyStore(url, "test")
        self.readers = [KeyReader(url, "test") for _ in range(4)]
        self.watches = [KeyWatch(reader.read) for reader in self.readers]
        tokens = {"issuer": ISSUER, "audience": AUDIENCE, "keys": str(provider)}
        self.gateways = [
            Gateway(Router(size_38), "test", {"tokens": tokens}, Telemetry("test", url), watch)  # type: ignore[arg-type]  # Router is the handle's boundary
            for watch in self.watches[:2]
        ]
        for gateway in self.gateways:
            gateway.reconfigure({"markets": {"de": {"champion": "3"}, "fr": {"champion": "7"}}})
        first, second = (client_of(gateway) for gateway in self.gateways)
        self.gateway = (first, second)
        third, fourth = (client_of(Console("test", url, 5.0, watch)) for watch in self.watches[2:])
        self.console = (third, fourth)

    def places(self) -> Iterator[Place]:
        """Every route of the API's document that asks for a key."""
        document = json.loads(openapi(1000))
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation.get("security", document["security"]):
                    yield Place(self.gateway, method.upper(), path.replace("{market}", "de"), "{market}" in path)

    async def ready(self, headers: Mapping[str, str]) -> None:
        """Wait until both replicas of the gateway take this."""
        async with asyncio.timeout(5):
            for place in self.places():
                while any(answer.status_code != 200 for answer in await place.ask(headers)):
                    await asyncio.sleep(0.01)

    async def close(self) -> None:
        for client in (*self.gateway, *self.console):
            await client.aclose()
        for gateway in self.gateways:
            assert gateway._tokens is not None
            await gateway._tokens.stop()
        for watch, reader in zip(self.watches, self.readers, strict=True):
            await watch.stop()
            await reader.close()
        self.store.close()


@pytest.fixture
async def world(server: Server, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    (tmp_path / "keys.json").write_bytes(key_set(rsa_signer(), ec_signer(), rsa_signer("weak", 1024)))
    world = World(server.url, tmp_path / "keys.json")
    yield world
    await world.close()


def bad_keys(store: KeyStore) -> dict[str, str]:
    """Texts of keys that nobody is let in with."""
    revoked_id, revoked = store.create(None, EVERY_SCOPE, "revoked")
    store.revoke(revoked_id)
    _, expired = store.create(None, EVERY_SCOPE, "expired", timedelta(milliseconds=1))
    _, one = store.create(None, EVERY_SCOPE, "one")
    _, other = store.create(None, EVERY_SCOPE, "other")
    return {
        "revoked": revoked,
        "expired": expired,
        "with another's secret": one[:16] + other[16:],
        "mistyped": one[:-2] + ("BB" if one.endswith("AA") else "AA"),
        "of nobody": "fw_000000000000_" + "A" * 43,
        "empty": "",
        "garbage": "\u00e9" * 100,
    }


def bad_tokens() -> dict[str, str]:
    """Tokens that nobody is let in with."""
    good, now = ec_signer().token(), int(time.time())
    return {
        "unsigned": rsa_signer().token().rpartition(".")[0] + ".",
        "changed": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
        "expired": ec_signer().token(exp=now - 60),
        "not yet valid": ec_signer().token(nbf=now + 60),
        "of another issuer": ec_signer().token(iss="https://login.example.org"),
        "for another audience": ec_signer().token(aud="another"),
        "of an unknown key": rsa_signer("unknown").token(),
        "of a weak key": rsa_signer("weak", 1024).token(),
        "of another algorithm": rsa_signer().token(algorithm="RS512"),
        "without an end": ec_signer().token(exp=None),
        "huge": ec_signer().token(padding="x" * 9000),
        "garbage": "a.b.c",
    }


def shown(text: str, *, is_key: bool = True) -> list[dict[str, str]]:
    """The ways in which somebody shows it; as bytes, since a header may have any."""
    bearer: Any = {"Authorization": b"Bearer " + text.encode()}
    header: Any = {"X-API-Key": text.encode()}
    return [bearer, header] if is_key else [bearer]


async def revoked_after(world: World) -> float:
    """Seconds until no replica of anything takes a key any more that all of them took."""
    key_id, text = await asyncio.to_thread(world.store.create, None, EVERY_SCOPE, "to be revoked")
    await world.ready({"X-API-Key": text})
    async with asyncio.timeout(5):
        for client in world.console:
            while (await client.post("/console/login", data={"key": text})).status_code != 303:
                await asyncio.sleep(0.01)
    await asyncio.to_thread(world.store.revoke, key_id)
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        answers = [answer for place in world.places() for answer in await place.ask({"X-API-Key": text})]
        in_session = [await client.post("/console/logout") for client in world.console]
        if {answer.status_code for answer in answers} == {401} and all(
            "The session is over" in page.text for page in in_session
        ):
            break
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


@pytest.mark.row(
    "24",
    "missing, wrong, revoked, expired, other market's key, on every route",
    "100 % 401 or 403; revoked within 1 s",
)
async def test_nobody_gets_in_who_should_not(world: World, figure: Callable[[str], None]) -> None:
    bad = await asyncio.to_thread(bad_keys, world.store)
    _, french = await asyncio.to_thread(world.store.create, frozenset({"fr"}), EVERY_SCOPE, "french")
    everywhere = [{}, *(way for text in bad.values() for way in shown(text))]
    everywhere += [way for text in bad_tokens().values() for way in shown(text, is_key=False)]
    of_another_market = [*shown(french), *shown(ec_signer().token(fitwave_markets=["fr"]), is_key=False)]
    for_another_use = {
        scope: [
            *shown((await asyncio.to_thread(world.store.create, None, EVERY_SCOPE - {scope}, "other use"))[1]),
            *shown(ec_signer().token(scope=" ".join(EVERY_SCOPE - {scope})), is_key=False),
        ]
        for scope in ("recommend", "markets")
    }
    _, good = await asyncio.to_thread(world.store.create, None, EVERY_SCOPE, "good")  # the last: with it all are known
    for text in (good, ec_signer().token(), rsa_signer().token(fitwave_markets=["de"])):
        await world.ready({"Authorization": f"Bearer {text}"})
    asked, let_in = 0, []
    for place in world.places():
        wrong = for_another_use["recommend" if place.is_of_a_market else "markets"]
        for way in [*everywhere, *wrong, *(of_another_market if place.is_of_a_market else [])]:
            for answer in await place.ask(way):
                asked += 1
                if answer.status_code not in (401, 403):
                    let_in.append((place.path, way, answer.status_code))
    for client in world.console:
        for text in [*bad.values(), *bad_tokens().values(), ec_signer().token(scope="console operate")]:
            asked += 1
            answer = await client.post("/console/login", data={"key": text})
            if answer.status_code not in (401, 403) or answer.cookies:
                let_in.append(("/console/login", {"key": text}, answer.status_code))
    longest_s = max([await revoked_after(world) for _ in range(3)])
    figure(f"{asked - len(let_in)} of {asked} refused; revoked after {longest_s:.1f} s")
    assert let_in == []
    assert longest_s < 1


async def test_the_list_of_markets_has_only_those_of_the_key_or_token(world: World) -> None:
    _, french = await asyncio.to_thread(world.store.create, frozenset({"fr"}), EVERY_SCOPE, "french")
    await world.ready({"Authorization": f"Bearer {ec_signer().token()}"})
    for text in (french, ec_signer().token(fitwave_markets=["fr"])):
        for client in world.gateway:
            async with asyncio.timeout(5):
                while (answer := await client.get("/v1/markets", headers={"Authorization": f"Bearer {text}"})).is_error:
                    await asyncio.sleep(0.01)
            assert [market["name"] for market in answer.json()["markets"]] == ["fr"]


async def test_a_key_is_refused_by_every_replica_from_its_expiry_on(world: World) -> None:
    _, text = await asyncio.to_thread(world.store.create, None, EVERY_SCOPE, "short", timedelta(seconds=2))
    made = time.monotonic()
    await world.ready({"X-API-Key": text})
    await asyncio.sleep(2.01 - (time.monotonic() - made))
    statuses = [answer.status_code for place in world.places() for answer in await place.ask({"X-API-Key": text})]
    assert set(statuses) == {401}
