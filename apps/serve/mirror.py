"""The mirrored call: it never delays, fails or cancels the customer's, and every end it can have is a row."""

import asyncio
import contextvars
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from libs.base.errors import FitwaveError
from libs.base.meter import Meter
from libs.base.metrics import SHADOW_PAIRS
from libs.base.tracing import CURRENT, NoTracer, Tracer
from libs.calls.caller import Caller
from libs.calls.frames import Busy, CalledFailed
from libs.features.snapshot import Snapshot
from libs.features.wire import pack, unpack
from libs.models.contract import SizeQuery
from libs.models.pair_log import COMPLETE, ERROR, SHED, TIMEOUT, Pair
from libs.models.pair_slices import pair_slices
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from libs.models.score_call import SCORE, Scored

# Mirrored batches under way at once; more are shed, and counted, so that a slow challenger fills no queue.
_MAX_IN_FLIGHT = 32


@dataclass(frozen=True)
class MirrorTarget:
    """A market's challenger as the router knows it: only by name. In a canary, it answers a share of the customers, if
    it does so in time.
    """

    market: str
    application: str
    version: str
    window: str
    share: float
    timeout_s: float
    canary_share: float = 0.0
    canary_timeout_s: float = 0.0


class Mirror:
    """Sends sampled queries to challengers and writes the pairs."""

    def __init__(self, pair_log: PairLog, home: str, meter: Meter | None = None, tracer: Tracer | None = None) -> None:
        self._pair_log = pair_log
        self._meter = meter or Meter("Mirror", "alone")
        self._tracer = tracer or NoTracer()
        self._secret = pair_secret(Path(home))
        self._targets: Mapping[str, MirrorTarget] = {}
        self._callers: dict[str, Caller] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def set_targets(self, targets: Mapping[str, MirrorTarget]) -> None:
        """Follow the challengers that are there now."""
        windows = {target.window for target in targets.values()}
        gone = [target.application for target in self._targets.values() if target.window not in windows]
        self._targets = targets
        self._pair_log.set_windows((target.market, target.window) for target in targets.values())
        for application in gone:
            if caller := self._callers.pop(application, None):
                caller.close()

    def target(self, market: str) -> MirrorTarget | None:
        """The market's challenger, if it has one."""
        return self._targets.get(market)

    def start(
        self,
        target: MirrorTarget,
        queries: Sequence[SizeQuery],
        sampled: Sequence[bool],
        features: bytes,
        champion: Scored,
    ) -> None:
        """Begin the mirrored call of the sampled queries; returns at once."""
        pairs, snapshot = _pairs(queries, sampled), unpack(features)
        if len(self._tasks) >= _MAX_IN_FLIGHT:
            self._record(target, pairs, snapshot, champion, None, SHED)
            return
        # An empty context: Serve cancels the calls made in a request's context when its client goes away, and this
        # one is not the client's. The set keeps the task alive, since the event loop holds tasks weakly.
        call = self._traced(CURRENT.get(), self._call(target, pairs, snapshot, champion))
        task = asyncio.create_task(call, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask(self, target: MirrorTarget, features: bytes, articles: list[str], timeout_s: float) -> Scored:
        """The challenger's answers.

        Raises:
            TimeoutError: they are not there in time.
            Exception: whatever becomes of a call to a deployment.
        """
        async with asyncio.timeout(timeout_s):
            caller = await self._caller(target)
            return await caller.call(SCORE, target.market, features, articles)

    async def drain(self) -> None:
        """Wait for the mirrored calls under way, each of which ends by itself."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _traced(self, traceparent: str, call: Coroutine[Any, Any, None]) -> None:
        """In a trace of its own, linked with the customer's, which may be over before."""
        if not traceparent:
            await call
            return
        with self._tracer.span("mirror", "", [traceparent]):
            await call

    async def _call(self, target: MirrorTarget, pairs: "list[_Sampled]", snapshot: Snapshot, champion: Scored) -> None:
        questions = [question for pair in pairs for question in range(pair.start, pair.end)]
        articles = [article for pair in pairs for article in pair.query.article_ids]
        try:
            asked = pack(snapshot.select(questions))
            challenger = await self.ask(target, asked, articles, target.timeout_s)
        except TimeoutError:
            self._record(target, pairs, snapshot, champion, None, TIMEOUT)
        except Busy:
            self._record(target, pairs, snapshot, champion, None, SHED)
        except (RayError, RayServeException, FitwaveError, CalledFailed):
            self._record(target, pairs, snapshot, champion, None, ERROR)
        else:
            self._record(target, pairs, snapshot, champion, challenger, COMPLETE)

    async def _caller(self, target: MirrorTarget) -> Caller:
        if target.application not in self._callers:
            # Looking a handle up asks the Serve controller and blocks: never on the event loop.
            handle = await asyncio.to_thread(serve.get_deployment_handle, "SizeModel", target.application)
            self._callers[target.application] = Caller(handle)
        return self._callers[target.application]

    def _record(
        self,
        target: MirrorTarget,
        pairs: "list[_Sampled]",
        snapshot: Snapshot,
        champion: Scored,
        challenger: Scored | None,
        outcome: str,
    ) -> None:
        self._meter.count(SHADOW_PAIRS, target.market, outcome, by=len(pairs))
        rows = partial(_rows, self._secret, datetime.now(UTC), target, pairs, snapshot, champion, challenger, outcome)
        self._pair_log.add(target.market, target.window, len(pairs), rows)


@dataclass(frozen=True)
class _Sampled:
    """A sampled query, and where its answers are in the champion's batch."""

    query: SizeQuery
    start: int
    end: int


def _pairs(queries: Sequence[SizeQuery], sampled: Sequence[bool]) -> list[_Sampled]:
    pairs, start = [], 0
    for query, chosen in zip(queries, sampled, strict=True):
        end = start + len(query.article_ids)
        if chosen:
            pairs.append(_Sampled(query, start, end))
        start = end
    return pairs


def _rows(
    secret: bytes,
    at: datetime,
    target: MirrorTarget,
    pairs: list[_Sampled],
    snapshot: Snapshot,
    champion: Scored,
    challenger: Scored | None,
    outcome: str,
) -> list[Pair]:
    slices, rows, start = pair_slices(snapshot, len(champion.recommendations)), [], 0
    questions = sum(len(pair.query.article_ids) for pair in pairs)
    for pair in pairs:
        end = start + len(pair.query.article_ids)
        live = champion.recommendations[pair.start : pair.end]
        answers = challenger.recommendations[start:end] if challenger else None
        rows.append(
            Pair(
                # Callers choose request ids, so they may say anything of anybody.
                request_id=pseudonym(pair.query.request_id, secret),
                customer=pseudonym(pair.query.customer_id, secret),
                at=at,
                champion_version=champion.version,
                challenger_version=target.version,
                outcome=outcome,
                article_ids=pair.query.article_ids,
                champion_sizes=[answer.size for answer in live],
                challenger_sizes=[answer.size for answer in answers] if answers is not None else None,
                champion_confidences=[answer.confidence for answer in live],
                challenger_confidences=[answer.confidence for answer in answers] if answers is not None else None,
                champion_s=champion.seconds,
                challenger_s=challenger.seconds if challenger else None,
                champion_batch=len(champion.recommendations),
                challenger_batch=questions,
                # Those of all articles, each once: a pair is one request.
                slices=sorted({name for found in slices[pair.start : pair.end] for name in found}),
            )
        )
        start = end
    return rows
