"""The gateway as those see it who have a token of an identity provider."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.identity_provider import AUDIENCE, ISSUER, ec_signer, key_set

pytestmark = pytest.mark.anyio

# PyJWT asks a clock that no test stops.
LATE = 4_000_000_000


@pytest.fixture
async def edge(make_edge: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """A gateway that is asked three times a minute, and takes tokens once keys are published in `tmp_path`."""
    tokens = {"issuer": ISSUER, "audience": AUDIENCE, "keys": str(tmp_path / "keys.json")}
    edge = make_edge(tokens=tokens, requests_per_minute=3)
    yield edge
    await edge.gateway._tokens.stop()


async def publish(edge: Any, folder: Path) -> None:
    (folder / "keys.json").write_bytes(key_set(ec_signer()))
    async with asyncio.timeout(5):
        while (await edge.ask(key=ec_signer().token(sub="first"))).status_code == 503:
            await asyncio.sleep(0.05)


async def test_before_the_providers_keys_are_known_a_token_may_come_again_and_api_keys_are_taken(edge: Any) -> None:
    response = await edge.ask(key=ec_signer().token())
    assert (response.status_code, response.json()["type"]) == (503, "/problems/not-ready")
    assert response.headers["retry-after"]
    assert (await edge.ask()).status_code == 200
    assert (await edge.ask(key="fw_000000000000_" + "A" * 43)).status_code == 401
    assert (await edge.get("/readyz")).status_code == 200


@pytest.mark.usefixtures("stopped_clock")
async def test_all_tokens_of_a_subject_have_one_rate_and_others_have_their_own(edge: Any, tmp_path: Path) -> None:
    await publish(edge, tmp_path)
    tokens = [ec_signer().token(jti=str(number), exp=LATE) for number in range(5)]
    assert [(await edge.ask(key=token)).status_code for token in tokens] == [200, 200, 200, 429, 429]
    assert (await edge.ask(key=ec_signer().token(sub="another", exp=LATE))).status_code == 200
    assert (await edge.ask()).status_code == 200


async def test_a_token_that_is_refused_looks_like_a_key_that_is(edge: Any, tmp_path: Path) -> None:
    await publish(edge, tmp_path)
    bad = [await edge.ask(key=text) for text in (ec_signer("other").token(), "fw_000000000000_" + "A" * 43)]
    documents = [response.json() | {"request_id": ""} for response in bad]
    assert documents[0] == documents[1]
    assert bad[0].headers["www-authenticate"] == bad[1].headers["www-authenticate"]


async def test_no_metric_tells_who_asked(edge: Any, tmp_path: Path) -> None:
    await publish(edge, tmp_path)
    bearer = ec_signer().token(sub="ann@example.com")
    assert (await edge.ask(key=bearer)).status_code == 200
    page = (await edge.get("/metrics")).text
    assert "ann@example.com" not in page
    assert "token-" not in page
