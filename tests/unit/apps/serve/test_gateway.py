"""The gateway as its clients see it."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError
from ray.serve.exceptions import BackPressureError

from libs.base.errors import TransientError
from libs.models.contract import SizeAnswer, SizeQuery
from tests.traces import TRACE_ID, TRACEPARENT, MemoryTracer

pytestmark = pytest.mark.anyio


def problem(response: Any) -> tuple[int, str]:
    """A problem's status and type, once the response is one in form."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    return response.status_code, document["type"]


async def test_answers_a_question(edge: Any) -> None:
    response = await edge.ask(body={"customer_id": "c-1", "article_ids": ["a-1", "a-2"]})
    assert response.status_code == 200
    assert response.headers["x-model-version"] == "3"
    body = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    assert (body["market"], body["customer_id"], body["model_version"]) == ("de", "c-1", "3")
    assert [(found["article_id"], found["size"]) for found in body["recommendations"]] == [("a-1", "38"), ("a-2", "38")]


async def test_hands_on_the_sizes_that_the_customer_selected(edge: Any) -> None:
    await edge.ask(body={"customer_id": "c", "article_ids": ["a", "b"], "selected_sizes": {"b": "40"}})
    await edge.ask(body={"customer_id": "c", "article_ids": ["a"]})
    assert [query.selected_sizes for [query] in edge.router.batches] == [{"b": "40"}, {}]


async def test_answers_a_repeated_article_in_place(edge: Any) -> None:
    response = await edge.ask(body={"customer_id": "c", "article_ids": ["a", "b", "a"]})
    assert [found["article_id"] for found in response.json()["recommendations"]] == ["a", "b", "a"]


async def test_simultaneous_requests_are_one_batch_and_each_gets_its_own_answer(edge: Any) -> None:
    asked = [{"customer_id": f"c{i}", "article_ids": [f"a{i}"]} for i in range(8)]
    responses = await asyncio.gather(*(edge.ask(body=body) for body in asked))
    assert [r.json()["customer_id"] for r in responses] == [f"c{i}" for i in range(8)]
    assert [r.json()["recommendations"][0]["article_id"] for r in responses] == [f"a{i}" for i in range(8)]
    assert len(edge.router.batches) < 8


@pytest.mark.parametrize("given", ["a", "shop.42_7-b", "x" * 64])
async def test_keeps_the_clients_request_id(edge: Any, given: str) -> None:
    response = await edge.ask(headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] == given
    assert edge.router.batches[0][0].request_id == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a\tb"])
async def test_makes_a_request_id_if_the_clients_could_do_harm(edge: Any, given: str) -> None:
    made = (await edge.ask(headers={"X-Request-Id": given})).json()["request_id"]
    assert len(made) == 32
    assert int(made, 16) >= 0


async def test_refuses_a_request_without_key(edge: Any) -> None:
    response = await edge.client.post("/v1/markets/de/size-recommendations", json={})
    assert problem(response) == (401, "/problems/unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="fitwave"'


async def test_refuses_a_wrong_key_also_for_unknown_markets(edge: Any) -> None:
    for market in ("de", "nowhere"):
        assert problem(await edge.ask(market, key="fw_000000000000_" + "A" * 43))[0] == 401


async def test_refuses_another_markets_key(edge: Any) -> None:
    assert problem(await edge.ask("fr", key=edge.german_key)) == (403, "/problems/market-forbidden")
    assert edge.router.batches == []


async def test_refuses_a_key_without_the_scope(edge: Any) -> None:
    assert problem(await edge.ask(key=edge.watcher_key)) == (403, "/problems/scope-forbidden")


async def test_an_unknown_market_names_those_that_the_key_may_see(edge: Any) -> None:
    response = await edge.ask("nowhere", key=edge.german_key)
    assert problem(response) == (404, "/problems/unknown-market")
    assert response.json()["detail"].endswith("The API key is for: de.")


async def test_a_market_without_champion_says_when_to_ask_again(edge: Any) -> None:
    response = await edge.ask("us")
    assert problem(response) == (503, "/problems/no-champion")
    assert int(response.headers["retry-after"]) > 0


async def test_a_new_champion_makes_a_market_answer(edge: Any) -> None:
    edge.gateway.reconfigure({"markets": {"us": {"champion": "1"}}})
    assert (await edge.ask("us")).status_code == 200
    assert (await edge.ask("de")).status_code == 404


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b" " * 2000, "headers": {"Content-Type": "application/json"}}, 413),
        ({"json": {"customer_id": "c"}}, 422),
        ({"json": {"customer_id": "c", "article_ids": []}}, 422),
        ({"json": {"customer_id": "c", "article_ids": ["a"] * 4}}, 422),
    ],
)
async def test_refuses_what_is_no_question(make_edge: Any, options: dict[str, Any], expected: int) -> None:
    edge = make_edge(max_body_bytes=1024, max_articles=3)
    assert problem(await edge.ask(**options))[0] == expected
    assert edge.router.batches == []


async def test_only_unknown_articles_are_a_problem_that_names_five_of_them(edge: Any) -> None:
    articles = [f"unknown-{i}" for i in range(7)]
    response = await edge.ask(body={"customer_id": "c", "article_ids": articles})
    assert problem(response) == (404, "/problems/unknown-articles")
    detail = response.json()["detail"]
    assert "'unknown-4' and 2 more" in detail
    assert "unknown-5" not in detail


async def test_some_unknown_articles_are_marked_in_the_answer(edge: Any) -> None:
    response = await edge.ask(body={"customer_id": "c", "article_ids": ["a", "unknown-1"]})
    assert response.status_code == 200
    assert [f["abstention_reason"] for f in response.json()["recommendations"]] == [None, "unknown_article"]


async def test_a_failed_answer_is_unavailable_and_keeps_its_inner_reason_to_itself(make_edge: Any) -> None:
    async def fail(queries: list[SizeQuery]) -> list[SizeAnswer]:
        raise TransientError("redis at 10.0.0.7 is away")

    response = await make_edge(fail).ask()
    assert problem(response) == (503, "/problems/unavailable")
    assert "10.0.0.7" not in response.text


async def test_the_deadline_ends_the_request_and_the_work(make_edge: Any) -> None:
    async def hang(queries: list[SizeQuery]) -> list[SizeAnswer]:
        await asyncio.sleep(60)
        return []

    edge = make_edge(hang, timeout_s=0.03, batches_in_flight=1)
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert problem(await edge.ask()) == (504, "/problems/deadline-exceeded")
    assert loop.time() - started < 0.5
    await asyncio.sleep(0.01)
    assert [call.cancelled for call in edge.router.calls] == [True]


async def test_a_market_that_hung_answers_again(make_edge: Any) -> None:
    async def hang_for_one(queries: list[SizeQuery]) -> list[SizeAnswer]:
        if queries[0].customer_id == "endless":
            await asyncio.sleep(60)
        raise TransientError("said at once")

    edge = make_edge(hang_for_one, timeout_s=0.2, batches_in_flight=1)
    endless = {"customer_id": "endless", "article_ids": ["a"]}
    assert problem(await edge.ask(body=endless)) == (504, "/problems/deadline-exceeded")
    assert problem(await edge.ask()) == (503, "/problems/unavailable")


async def test_a_slow_body_is_the_clients_fault(make_edge: Any) -> None:
    async def trickle() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    edge = make_edge(timeout_s=0.03)
    response = await edge.ask(json=None, content=trickle(), headers={"Content-Type": "application/json"})
    assert problem(response) == (408, "/problems/body-too-slow")


async def test_full_queues_turn_requests_away(make_edge: Any) -> None:
    async def full(queries: list[SizeQuery]) -> list[SizeAnswer]:
        raise BackPressureError(8, 8)

    response = await make_edge(full).ask()
    assert problem(response) == (503, "/problems/overloaded")
    assert response.headers["retry-after"] == "1"


async def test_more_waiting_than_may_are_turned_away(make_edge: Any) -> None:
    release = asyncio.Event()

    async def held(queries: list[SizeQuery]) -> list[SizeAnswer]:
        await release.wait()
        return [SizeAnswer(query.request_id, "3", []) for query in queries]

    edge = make_edge(held, batches_in_flight=1, max_batch_requests=1, max_waiting_requests=2)
    asked = [asyncio.create_task(edge.ask()) for _ in range(4)]
    done, _ = await asyncio.wait(asked, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    release.set()
    await asyncio.wait(asked)
    assert {problem(task.result())[1] for task in done} == {"/problems/overloaded"}


async def test_a_lost_replica_is_not_seen_by_the_client(make_edge: Any) -> None:
    losses = [ActorUnavailableError("gone", None)]

    async def lose_once(queries: list[SizeQuery]) -> list[SizeAnswer]:
        if losses:
            raise losses.pop()
        return [SizeAnswer(query.request_id, "3", []) for query in queries]

    edge = make_edge(lose_once)
    await edge.ask()
    assert len(edge.router.batches) == 2


async def test_a_bug_is_a_problem_with_its_traceback_in_the_log(
    make_edge: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def bug(queries: list[SizeQuery]) -> list[SizeAnswer]:
        raise ZeroDivisionError("secret inner state")

    with caplog.at_level(logging.ERROR):
        response = await make_edge(bug).ask(headers={"X-Request-Id": "r-1"})
    assert problem(response) == (500, "/problems/internal")
    assert "secret" not in response.text
    (record,) = caplog.records
    assert "r-1" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.usefixtures("stopped_clock")
async def test_the_rate_limit_says_when_to_ask_again(make_edge: Any) -> None:
    edge = make_edge(requests_per_minute=3)
    answers = [await edge.ask() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers.get("retry-after") for answer in answers] == [None, None, None, "40", "40"]
    assert (await edge.ask(key=edge.german_key)).status_code == 200


@pytest.mark.usefixtures("stopped_clock")
async def test_every_answer_to_a_known_key_says_what_is_left_of_its_rate(edge: Any) -> None:
    answers = [
        await edge.ask(),
        await edge.ask("nowhere"),
        await edge.ask(content=b"{", json=None, headers={"Content-Type": "application/json"}),
        await edge.get("/v1/markets", edge.key),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 400, 200]
    assert [answer.headers["ratelimit"] for answer in answers] == [f'"key";r={600_000 - n};t=40' for n in range(1, 5)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"key";q=600000;w=60'}
    for path in ("/v1/markets", "/healthz", "/nothing"):
        assert "ratelimit" not in (await edge.get(path)).headers


async def test_lists_the_markets_of_the_key(edge: Any) -> None:
    everything = (await edge.get("/v1/markets", edge.key)).json()["markets"]
    assert everything == [
        {"name": "de", "champion": "3", "ready": True},
        {"name": "fr", "champion": "7", "ready": True},
        {"name": "us", "champion": None, "ready": False},
    ]
    german = (await edge.get("/v1/markets", edge.german_key)).json()["markets"]
    assert [market["name"] for market in german] == ["de"]
    assert problem(await edge.get("/v1/markets")) == (401, "/problems/unauthenticated")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/docs/swagger-ui.css", "/openapi.json"])
async def test_probes_and_documents_need_no_key(edge: Any, path: str) -> None:
    response = await edge.get(path)
    assert response.status_code == 200
    assert response.headers["x-request-id"]
    head = await edge.client.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_is_not_ready_without_any_champion(edge: Any) -> None:
    edge.gateway.reconfigure({"markets": {"de": {"champion": None}}})
    assert problem(await edge.get("/readyz")) == (503, "/problems/not-ready")
    assert (await edge.get("/healthz")).status_code == 200


async def test_neither_is_ready_nor_judges_keys_before_the_keys_are_loaded(edge: Any) -> None:
    edge.ring = None
    assert problem(await edge.get("/readyz")) == (503, "/problems/not-ready")
    assert problem(await edge.ask()) == (503, "/problems/not-ready")
    assert (await edge.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1", "/v1/markets/", "/v1/markets/de", "/healthz/", "/docs/nothing.js", "/docs/.."]
)
async def test_other_paths_are_a_problem(edge: Any, path: str) -> None:
    assert problem(await edge.get(path)) == (404, "/problems/unknown-path")


async def test_other_methods_are_a_problem_that_names_the_right_one(edge: Any) -> None:
    response = await edge.get("/v1/markets/de/size-recommendations", edge.key)
    assert problem(response) == (405, "/problems/method-not-allowed")
    assert response.headers["allow"] == "POST"
    response = await edge.client.delete("/v1/markets")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_counts_requests_batches_and_recommendations(edge: Any) -> None:
    await edge.ask(body={"customer_id": "c", "article_ids": ["a", "unknown-1"]})
    await edge.ask("nowhere")
    text = (await edge.get("/metrics")).text
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    whose = re.compile(r'deployment="Gateway",|replica="\w+",?')
    found = {whose.sub("", name): float(value) for name, value in counts.items() if "_total{" in name}
    assert found == {
        'fitwave_requests_total{market="de",problem="none",status="200"}': 1.0,
        'fitwave_requests_total{market="unknown",problem="unknown-market",status="404"}': 1.0,
        'fitwave_calls_total{way="serve"}': 1.0,
        'fitwave_recommendations_total{market="de",outcome="recommended",}': 1.0,
        'fitwave_recommendations_total{market="de",outcome="unknown_article",}': 1.0,
    }
    assert counts["fitwave_metrics_complete"] == "0.0", "no Redis is there to tell of the others"
    assert "nowhere" not in text


async def test_the_document_describes_what_is_answered(edge: Any) -> None:
    paths = json.loads((await edge.get("/openapi.json")).content)["paths"]
    assert set(paths) == {
        "/v1/markets/{market}/size-recommendations",
        "/v1/markets",
        "/healthz",
        "/readyz",
        "/metrics",
    }


async def test_requests_that_are_chosen_share_a_batch_and_each_has_its_trace(
    make_edge: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "apps.serve.gateway")
    edge = make_edge()
    edge.gateway.tracer = tracer = MemoryTracer(share=0.0001)
    other = f"00-{'2' * 18}{'0' * 14}-{'3' * 16}-01"
    headers = [{"traceparent": TRACEPARENT, "X-Request-Id": "r1"}, {"traceparent": other}, {}]
    await asyncio.gather(*(edge.ask(headers=one) for one in headers))
    assert [len(batch) for batch in edge.router.batches] == [3]
    spans = tracer.spans()
    assert spans.keys() == {"gateway", "batch"}
    batch = spans["batch"]
    assert f"{batch.context.trace_id:032x}" == TRACE_ID
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == [other[3:35]]
    assert batch.attributes == {"fitwave.requests": 3}
    said = [record.getMessage() for record in caplog.records if record.name == "apps.serve.gateway"]
    assert said == ["answered with 200"] * 2
    assert [query.traceparent == "" for query in edge.router.batches[0]] == [False, False, True]
    assert not edge.gateway.tracer.chooses(f"00-{'2' * 18}{'f' * 14}-{'3' * 16}-01")
    tracer.close()


async def test_probes_are_not_traced(make_edge: Any) -> None:
    edge = make_edge()
    edge.gateway.tracer = tracer = MemoryTracer(share=1.0)
    await edge.get("/healthz")
    assert tracer.spans() == {}
    tracer.close()
