"""The Gateway deployment: the one HTTP entry of all markets.

It reads a request, asks who sends it, and puts its question into a batch. Plain requests and msgspec on purpose: a
framework's validation per request cost more than the prediction.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

from apps.serve import request_body
from apps.serve.access import Access, rate_headers
from apps.serve.answers import Health, Markets, MarketState, degraded, json_response, recommendations_response
from apps.serve.arrival import ARRIVED_HEADER, waited_s
from apps.serve.coalescing import Coalescer, Overloaded
from apps.serve.docs_page import DocsPage
from apps.serve.documentation import openapi
from apps.serve.hops import RECOMMEND
from apps.serve.measurements import NO_PROBLEM, UNKNOWN, Measurements
from apps.serve.problems import Kind, Problem, body_too_slow, overloaded
from apps.serve.rate_limit import RateCounts, RateLimit
from libs.base.environment import Gateway as GatewaySettings
from libs.base.errors import TransientError
from libs.base.holder import Holder, Ring
from libs.base.key_watch import KeyReader, KeyWatch
from libs.base.logs import REQUEST_ID
from libs.base.metric_board import MEDIA_TYPE
from libs.base.telemetry import Telemetry
from libs.base.tracing import CURRENT
from libs.calls.caller import Caller
from libs.calls.frames import Busy
from libs.calls.served import Served
from libs.models.contract import SizeAnswer, SizeQuery

if TYPE_CHECKING:
    from libs.base.token_watch import TokenWatch

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Probes and pages are none of them.
_TRACED = "/v1/markets/"
# A champion comes with a promotion, not within seconds.
_NO_CHAMPION_RETRY_S = 60


@dataclass(frozen=True)
class _Route:
    """What answers a path, to which method; `market` if the path is about one."""

    method: str
    answer: Callable[[Request, str], Awaitable[Response]]
    market: str | None = None


class Gateway(Served):
    """Answers HTTP requests; Serve calls it, and so can anything that has a starlette request."""

    def __init__(
        self,
        shadow_router: DeploymentHandle[Any],
        environment_name: str,
        settings: dict[str, Any],
        telemetry: Telemetry,
        keys: KeyWatch | None = None,
    ) -> None:
        """`settings` are those of `libs.base.environment.Gateway`; `keys` are by default the environment's in Redis."""
        super().__init__("Gateway", telemetry)
        self._settings = GatewaySettings.model_validate(settings)
        self._keys = keys or KeyWatch(KeyReader(telemetry.redis_url, environment_name).read)
        self._tokens = _token_watch(self._settings)
        counts = RateCounts(telemetry.redis_url, environment_name)
        self._access = Access(RateLimit(counts.add, self._settings.requests_per_minute))
        self._measurements = Measurements(self.meter)
        self._shadow_router = Caller(shadow_router, self._measurements.call)
        self._coalescer = Coalescer(
            self._dispatch,
            self._settings.batches_in_flight,
            self._settings.max_batch_requests,
            self._settings.max_waiting_requests,
        )
        self._champions: Mapping[str, str | None] = {}
        self._docs = DocsPage()
        self._openapi = openapi(self._settings.max_articles)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take `{"markets": {market: {"champion": version | null}}}`; requests see the old or the new, never half."""
        self._champions = {name: market["champion"] for name, market in user_config["markets"].items()}

    async def record_replica_metadata(self) -> dict[str, Any]:
        """Nothing that anybody has to know; Serve calls it once, when the replica is ready."""
        self._shadow_router.prepare()
        return await super().record_replica_metadata()

    async def __call__(self, request: Request) -> Response:
        """Answer anything; what cannot be answered is a problem document, never an exception."""
        request_id = _request_id(request)
        REQUEST_ID.set(request_id)
        if self.tracer.is_on and request.scope["path"].startswith(_TRACED):
            traceparent = request.headers.get("traceparent", "")
            if self.tracer.chooses(traceparent):
                return await self._traced(request, request_id, traceparent)
        return await self._answered(request, request_id)

    async def _traced(self, request: Request, request_id: str, traceparent: str) -> Response:
        with self.tracer.span("gateway", traceparent, attributes={"fitwave.request_id": request_id}) as note:
            response = await self._answered(request, request_id)
            note("http.response.status_code", response.status_code)
            log.info("answered with %d", response.status_code)
        return response

    async def _answered(self, request: Request, request_id: str) -> Response:
        arrived = time.perf_counter()
        market, problem = None, NO_PROBLEM
        try:
            route = self._route(request)
            market = route.market
            response = await route.answer(request, request_id)
        except Problem as error:
            response, problem = error.response(request_id), error.kind.label
        except Exception:  # the outermost boundary: the caller gets an answer, the log the traceback
            log.exception("request %s failed", request_id)
            detail = f"Try again; if it stays, report request id {request_id}."
            response, problem = Problem(Kind.INTERNAL, detail).response(request_id), Kind.INTERNAL.label
        response.headers.update(rate_headers(request))
        # Serve's proxy gives every request an id and echoes it by itself; a second header would be joined to it.
        if request.headers.get(REQUEST_ID_HEADER) != request_id:
            response.headers[REQUEST_ID_HEADER] = request_id
        if market is not None:
            label = market if market in self._champions else UNKNOWN
            self._measurements.request(label, response.status_code, problem, time.perf_counter() - arrived)
        if request.method == "HEAD":
            response.body = b""
        return response

    def _route(self, request: Request) -> _Route:
        """Raises: Problem: 404, or 405 naming the method that the path takes."""
        path: str = request.scope["path"]
        route = self._find(path.split("/")[1:])
        if route is None:
            raise Problem(Kind.UNKNOWN_PATH, f"There is nothing at {path!r:.200}. /docs shows what there is.")
        if request.method != route.method and (request.method, route.method) != ("HEAD", "GET"):
            allowed = "GET, HEAD" if route.method == "GET" else route.method
            raise Problem(Kind.METHOD_NOT_ALLOWED, f"Use {allowed} here. /docs shows how.", {"Allow": allowed})
        return route

    def _find(self, parts: list[str]) -> _Route | None:
        match parts:
            case ["v1", "markets", market, "size-recommendations"]:
                return _Route("POST", partial(self._recommend, market), market)
            case ["v1", "markets"]:
                return _Route("GET", self._markets)
            case ["healthz"]:
                return _Route("GET", _alive)
            case ["readyz"]:
                return _Route("GET", self._ready)
            case ["metrics"]:
                return _Route("GET", self._metrics)
            case ["openapi.json"]:
                return _Route("GET", self._document)
            case ["docs"]:
                return _Route("GET", self._docs_page)
            case ["docs", asset]:
                return _Route("GET", partial(self._docs_asset, asset))
        return None

    async def _recommend(self, market: str, request: Request, request_id: str) -> Response:
        if self._coalescer.is_full(market):
            raise overloaded()  # before any work: there is too much of it
        timeout_s = self._settings.timeout_s
        left_s = timeout_s - waited_s(request.headers.get(ARRIVED_HEADER), timeout_s)
        deadline = asyncio.get_running_loop().time() + left_s
        key = await self._access.admit(await self._ring(), request, "recommend")
        self._require_champion(market, key)
        question = request_body.parse(await self._body(request, deadline), self._settings.max_articles)
        query = SizeQuery(
            market,
            question.customer_id,
            question.article_ids,
            request_id,
            question.selected_sizes,
            traceparent=CURRENT.get(),
        )
        answer = await self._ask(query, deadline)
        self._measurements.recommendations(market, answer.recommendations)
        if answer.features_as_of is not None:
            self._measurements.features(market, answer.features_as_of)
        why_degraded = degraded(answer, self._settings.features_age_limit_days)
        if why_degraded is not None:
            self._measurements.degraded(market, why_degraded)
        return recommendations_response(query, answer, why_degraded)

    async def _ring(self) -> Ring | None:
        """What lets somebody in now; None until the API keys are known."""
        keys = await self._keys.ring()
        return keys if keys is None or self._tokens is None else self._tokens.beside(keys)

    def _require_champion(self, market: str, key: Holder) -> None:
        """Raises: Problem: 404 no such market, 403 not this key's, 503 it has no champion."""
        champions = self._champions
        if market not in champions:
            known = ", ".join(sorted(filter(key.may_see, champions))) or "none"
            raise Problem(Kind.UNKNOWN_MARKET, f"There is no market {market!r:.80}. The API key is for: {known}.")
        if not key.may_see(market):
            raise Problem(Kind.MARKET_FORBIDDEN, f"The API key is not for market {market!r}. Ask for one that is.")
        if champions[market] is None:
            detail = f"Market {market!r} has no champion yet. It answers once a model is promoted."
            raise Problem(Kind.NO_CHAMPION, detail, {"Retry-After": str(_NO_CHAMPION_RETRY_S)})

    async def _body(self, request: Request, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                return await request_body.read(request, self._settings.max_body_bytes)
        except TimeoutError as error:
            raise body_too_slow(self._settings.timeout_s) from error

    async def _ask(self, query: SizeQuery, deadline: float) -> SizeAnswer:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._coalescer.ask(query)
        except TimeoutError as error:
            log.warning("request %s of market %s was not answered in time", query.request_id, query.market)
            detail = f"No answer within {self._settings.timeout_s:g} s. Try again, or ask about fewer articles at once."
            raise Problem(Kind.DEADLINE_EXCEEDED, detail) from error
        except (Overloaded, Busy) as error:
            raise overloaded() from error
        except TransientError as error:
            log.warning("request %s of market %s was not answered: %s", query.request_id, query.market, error)
            raise Problem(Kind.UNAVAILABLE, "What answers is away for the moment. Try again.") from error

    async def _dispatch(self, market: str, queries: list[SizeQuery], waited_s: float) -> list[SizeAnswer]:
        self._measurements.batch(len(queries))
        self._measurements.stage(market, "wait", waited_s)
        begin = time.perf_counter()
        try:
            return await self._sent(queries)
        finally:
            self._measurements.stage(market, "router", time.perf_counter() - begin)

    async def _sent(self, queries: list[SizeQuery]) -> list[SizeAnswer]:
        """The router's answers. A batch belongs to the trace of the first that is traced; the others' are linked."""
        traced = [query.traceparent for query in queries if query.traceparent] if self.tracer.is_on else []
        if not traced:
            return await self._shadow_router.call(RECOMMEND, queries)
        with self.tracer.span("batch", traced[0], traced[1:], {"fitwave.requests": len(queries)}):
            return await self._shadow_router.call(RECOMMEND, queries)

    async def _markets(self, request: Request, request_id: str) -> Response:
        key = await self._access.admit(await self._ring(), request, "markets")
        seen = [(name, version) for name, version in sorted(self._champions.items()) if key.may_see(name)]
        return json_response(Markets([MarketState(name, version, version is not None) for name, version in seen]))

    async def _ready(self, request: Request, request_id: str) -> Response:
        missing = []
        if await self._ring() is None:
            missing.append("the API keys are not loaded yet")
        if not any(self._champions.values()):
            missing.append("no market has a champion")
        if missing:
            raise Problem(Kind.NOT_READY, f"Not ready: {' and '.join(missing)}.")
        return json_response(Health("ready"))

    async def _metrics(self, request: Request, request_id: str) -> Response:
        return Response(await asyncio.to_thread(self.metrics_page), media_type=MEDIA_TYPE)

    async def _document(self, request: Request, request_id: str) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def _docs_page(self, request: Request, request_id: str) -> Response:
        return self._docs.page()

    async def _docs_asset(self, name: str, request: Request, request_id: str) -> Response:
        return self._docs.asset(name)


def _token_watch(settings: GatewaySettings) -> "TokenWatch | None":
    if settings.tokens is None:
        return None
    # PyJWT and an HTTP client are loaded only where they are used.
    from libs.base.token_watch import TokenWatch

    return TokenWatch(settings.tokens)


async def _alive(request: Request, request_id: str) -> Response:
    return json_response(Health("alive"))


def _request_id(request: Request) -> str:
    """The caller's id if it can stand in logs and headers as it is, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
