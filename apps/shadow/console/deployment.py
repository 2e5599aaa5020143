"""The Console deployment: a page for people, on the gateway's port, in an application of its own.

Nothing that happens here reaches the live application: it reads what the libs read, and asks the live application like
one more customer. Plots and verdicts are made in a thread and kept for a while.
"""

import asyncio
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from apps.shadow.console import forms
from apps.shadow.console.findings import Findings, Found
from apps.shadow.console.forms import Refused
from apps.shadow.console.rollbacks import Rollbacks
from apps.shadow.console.trial import Ask, LiveRouter, attempt
from apps.shadow.console.visitors import Visitor, Visitors
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import FitwaveError
from libs.base.key_watch import KeyReader, KeyWatch
from libs.calls.served import Served
from libs.models.serving_plan import CONSOLE_ROUTE

if TYPE_CHECKING:
    from apps.shadow.console.features import OnlineFeatures
    from apps.shadow.console.markets import Evidence, Markets, MarketState

log = logging.getLogger(__name__)

_EVIDENCE_KEPT_S = 20.0
_FEATURES_KEPT_S = 20.0


class Console(Served):
    """Answers HTTP requests; Serve calls it, and so can anything that has a starlette request."""

    def __init__(
        self,
        environment_name: str,
        redis_url: str,
        patience_s: float,
        keys: KeyWatch | None = None,
        ask: Ask | None = None,
    ) -> None:
        """`patience_s`: how long a page waits for what it shows; less than Serve waits for the page.

        `keys` and `ask` are by default the environment's own, in Redis and in Serve.
        """
        # Only a replica has a use for plots, verdicts and Feast; Serve imports this module in a process of its own
        # whenever it deploys.
        from apps.shadow.console.pages import Pages

        super().__init__("Console")
        self._ask = ask or LiveRouter(environment_name, patience_s).ask
        self._pages = Pages()
        watch = keys or KeyWatch(KeyReader(redis_url, environment_name).read)
        self._visitors = Visitors(environment_name, watch, self._pages)
        self._rollbacks = Rollbacks(patience_s)
        worker = ThreadPoolExecutor(1)
        self._evidence: Findings[Evidence | None] = Findings(_EVIDENCE_KEPT_S, worker, patience_s)
        self._features: Findings[OnlineFeatures] = Findings(_FEATURES_KEPT_S, worker, patience_s)
        self._markets: Markets | None = None

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take `{"environment": {...}, "endpoints": {...}}`: what `fitwave` reads from the files of both names."""
        from apps.shadow.console.markets import Markets

        environment = Environment.model_validate(user_config["environment"])
        self._markets = Markets(environment, Endpoints.model_validate(user_config["endpoints"]))

    async def __call__(self, request: Request) -> Response:
        """Answer anything with a page, also what cannot be done."""
        visitor = None
        try:
            visitor = await self._visitors.of(request)
            response = await self._answer(request, visitor)
        except Refused as refused:
            response = self._pages.page("refused", visitor, refused.status, title=refused.title, detail=refused.detail)
        except FitwaveError as error:
            response = self._pages.page("refused", visitor, 503, title="Not available now", detail=str(error))
        except Exception:  # the outermost boundary: the visitor gets a page, the log the traceback
            number = uuid.uuid4().hex
            log.exception("console request %s failed", number)
            detail = f"Try again; if it stays, look for {number} in the log of the console's replica."
            response = self._pages.page("refused", visitor, 500, title="Something unforeseen went wrong", detail=detail)
        if request.method == "HEAD":
            response.body = b""
        return response

    async def _answer(self, request: Request, visitor: Visitor | None) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        path = request.scope["path"].removeprefix(CONSOLE_ROUTE).strip("/")
        parts = path.split("/")
        if (method, parts) == ("GET", ["style.css"]):
            return self._pages.style()
        if (method, parts) == ("POST", ["login"]):
            return await self._visitors.log_in(request)
        if visitor is None:
            return self._pages.page("login", fault="" if method == "GET" else "The session is over. Log in again.")
        match method, parts:
            case "GET", [""]:
                return await self._overview(visitor)
            case "POST", ["logout"]:
                return await self._visitors.log_out(request, visitor)
            case "GET", ["markets", market]:
                return await self._market(visitor, self._visible(visitor, market))
            case "GET" | "POST", ["markets", market, "try"]:
                return await self._try(request, visitor, self._visible(visitor, market))
            case "GET" | "POST", ["markets", market, "rollback"]:
                return await self._roll_back(request, visitor, self._visible(visitor, market))
        raise Refused(404, "There is nothing here", f"The console has no page at this path; begin at {CONSOLE_ROUTE}.")

    @property
    def _configured(self) -> "Markets":
        if self._markets is None:
            raise Refused(503, "Not ready", "The console has not been told of its markets yet. Try again in a moment.")
        return self._markets

    def _visible(self, visitor: Visitor, market: str) -> str:
        if market not in self._configured.environment.markets or not visitor.key.may_see(market):
            raise Refused(404, "No such market", f"The API key is for no market {market!r:.80}.")
        return market

    async def _overview(self, visitor: Visitor) -> Response:
        names = [name for name in sorted(self._configured.environment.markets) if visitor.key.may_see(name)]
        rows = await asyncio.to_thread(lambda: [self._configured.row(name) for name in names])
        evidence = {row.name: self._last_evidence(row.name, row.state) for row in rows}
        return self._pages.page(
            "overview", visitor, environment=self._configured.environment.name, rows=rows, evidence=evidence
        )

    def _last_evidence(self, market: str, state: "MarketState | None") -> "Found[Evidence | None]":
        """What is known of the market's window; what was known of an earlier one is forgotten."""
        last = self._evidence.last(market)
        window = last.value.window if last.value else None
        if state is not None and last.fault is None and window != state.history.roles.window:
            self._evidence.forget(market)
        return self._evidence.last(market)

    async def _market(self, visitor: Visitor, market: str) -> Response:
        markets = self._configured
        state = await asyncio.to_thread(markets.state, market)
        self._last_evidence(market, state)
        evidence, features = await asyncio.gather(
            self._evidence.of(market, partial(markets.evidence, market)),
            self._features.of(market, partial(markets.features, market)),
        )
        return self._pages.page(
            "market",
            visitor,
            market=market,
            state=state,
            evidence=evidence,
            features=features,
            rollback=self._rollbacks.last(market),
        )

    async def _try(self, request: Request, visitor: Visitor, market: str) -> Response:
        if request.method != "POST":
            return self._pages.page("try", visitor, market=market, fields={}, trial=None, fault="")
        fields = await forms.read(request)
        forms.check_token(fields, visitor.session)
        page = partial(self._pages.page, "try", visitor, market=market, fields=fields)
        try:
            customer, article = (forms.text(fields, name, forms.LONGEST_ID) for name in ("customer", "article"))
            size = forms.text(fields, "size", forms.LONGEST_ID, optional=True)
            state = await asyncio.to_thread(self._configured.state, market)
            if state.history.roles.champion is None:
                raise Refused(503, "No champion", "The market has no champion yet. It answers once a model is live.")
            return page(trial=await attempt(self._ask, market, customer, article, size), fault="")
        except Refused as refused:
            return page(status=refused.status, trial=None, fault=refused.detail)
        except FitwaveError as error:
            return page(status=503, trial=None, fault=str(error))

    async def _roll_back(self, request: Request, visitor: Visitor, market: str) -> Response:
        if not visitor.may_operate:
            raise Refused(403, "Not with this key", "A rollback needs a key with the scope operate. Ask for one.")
        state = await asyncio.to_thread(self._configured.state, market)
        if request.method != "POST":
            return self._pages.page("rollback", visitor, market=market, state=state, fault="", reason="")
        fields = await forms.read(request)
        forms.check_token(fields, visitor.session)
        try:
            reason = forms.text(fields, "reason", forms.LONGEST_REASON)
            champion = forms.text(fields, "champion", forms.LONGEST_ID)
        except Refused as refused:
            return self._pages.page(
                "rollback",
                visitor,
                refused.status,
                market=market,
                state=state,
                fault=refused.detail,
                reason=fields.get("reason", ""),
            )
        why = f"{reason} (console, key {visitor.key.name})"
        roll_back = partial(self._configured.roll_back, market, champion, why, f"key {visitor.key.key_id}")
        await self._rollbacks.ask(market, champion, why, roll_back)
        return RedirectResponse(f"{CONSOLE_ROUTE}/markets/{market}", 303)
