"""The ShadowRouter deployment: the champion answers now; a sample is mirrored to the challenger, out of the way.

In a canary the challenger answers some customers, and these are not mirrored.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle

from apps.serve.canary import Batch, apart, chosen_by, together
from apps.serve.hops import LOOK_UP, RECOMMEND
from apps.serve.mirror import Mirror, MirrorTarget
from libs.base.metrics import STAGE_SECONDS
from libs.base.telemetry import Telemetry
from libs.calls.called import Called
from libs.calls.caller import Caller
from libs.features.snapshot import Question
from libs.models.contract import SizeAnswer, SizeQuery
from libs.models.live_counts import LiveCounts
from libs.models.pair_writer import PairLog
from libs.models.sampling import in_sample
from libs.models.score_call import SCORE, Scored

log = logging.getLogger(__name__)

# A challenger that was late is asked again after so long, or each batch with one of its customers would wait for it.
_REST_S = 1.0


class ShadowRouter(Called):
    """Takes a batch of one market's queries through lookup and model, and starts the mirrored call."""

    def __init__(
        self,
        feature_lookup: DeploymentHandle[Any],
        size_models: Mapping[str, DeploymentHandle[Any]],
        lake: str,
        home: str,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__("ShadowRouter", {RECOMMEND: self.recommend}, telemetry)
        self._feature_lookup = Caller(feature_lookup)
        self._size_models = {name: Caller(handle) for name, handle in size_models.items()}
        self._size_model_of: Mapping[str, str] = {}
        self._counted_as: Mapping[str, str] = {}
        self._live = LiveCounts(lake)
        self._pair_log = PairLog(lake)
        self._mirror = Mirror(self._pair_log, home, self.meter, self.tracer)
        self._rests_until: dict[str, float] = {}

    async def record_replica_metadata(self) -> dict[str, Any]:
        """What every caller is told of this replica, once it can take their calls."""
        for caller in (self._feature_lookup, *self._size_models.values()):
            caller.prepare()
        return await super().record_replica_metadata()

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take `{"markets": {market: {"size_model": deployment, "counted_as": version | null, "challenger": {...} |
        null}}, "pair_flush_s": s}`; what is counted is the champion's live answers, where somebody judges them.
        """
        self._pair_log.flush_s = user_config["pair_flush_s"]
        markets = user_config["markets"]
        self._size_model_of = {name: market["size_model"] for name, market in markets.items()}
        self._counted_as = {name: one["counted_as"] for name, one in markets.items() if one["counted_as"]}
        self._mirror.set_targets(
            {
                name: MirrorTarget(market=name, **market["challenger"])
                for name, market in markets.items()
                if market["challenger"] is not None
            }
        )

    async def __del__(self) -> None:
        """Serve awaits this when it takes a replica away, after its last request: nothing is left unwritten."""
        await self._mirror.drain()
        await asyncio.to_thread(self._pair_log.close)
        await asyncio.to_thread(self._live.close)
        await asyncio.to_thread(self.end)

    async def recommend(self, queries: list[SizeQuery]) -> list[SizeAnswer]:
        """Answer a batch of one market, in order.

        Raises:
            TransientError: the lookup or the model is away.
        """
        market = queries[0].market
        questions = [
            Question(query.customer_id, article, query.selected_sizes.get(article))
            for query in queries
            for article in query.article_ids
        ]
        begin = time.perf_counter()
        batch = Batch(queries, await self._feature_lookup.call(LOOK_UP, market, questions))
        self.meter.observe(STAGE_SECONDS, time.perf_counter() - begin, market, "lookup")
        target = self._mirror.target(market)
        chosen = chosen_by(target if self._rests_until.get(market, 0.0) < time.monotonic() else None, queries)
        if target is None or not any(chosen):
            return await self._by_champion(batch)
        rest, canary = apart(batch, chosen)
        both = await asyncio.gather(self._by_champion(rest), self._by_challenger(target, canary))
        return together(chosen, *both)

    async def _by_champion(self, batch: Batch) -> list[SizeAnswer]:
        if not batch.queries:
            return []
        scored = await self._score(batch)
        if not batch.queries[0].by_hand:  # those come alone
            self._start_mirror(batch.market, batch.queries, batch.features, scored)
        return _split(batch.queries, scored)

    async def _by_challenger(self, target: MirrorTarget, batch: Batch) -> list[SizeAnswer]:
        """The challenger's answers, or the champion's: no customer is told of a canary that fails."""
        answers = self._mirror.ask(target, batch.features, batch.articles, target.canary_timeout_s)
        try:
            scored = await self._counted(batch, target.version, answers, "canary")
        except Exception as error:  # whatever it was, it is counted, and by that the canary is stopped
            log.warning("market %s: the champion answers for v%s: %s", batch.market, target.version, repr(error))
            if isinstance(error, TimeoutError):
                self._rests_until[batch.market] = time.monotonic() + _REST_S
            scored = await self._score(batch)
        return _split(batch.queries, scored)

    async def _score(self, batch: Batch) -> Scored:
        model = self._size_models[self._size_model_of[batch.market]]
        answers = model.call(SCORE, batch.market, batch.features, batch.articles)
        return await self._counted(batch, self._counted_as.get(batch.market), answers, "model")

    async def _counted(
        self, batch: Batch, version: str | None, answers: Coroutine[Any, Any, Scored], stage: str
    ) -> Scored:
        """A version's answers. One that is given up by its caller has not failed, and its time counts."""
        begin, failed = time.perf_counter(), False
        try:
            scored = await answers
        except Exception:
            failed = True
            raise
        else:
            # While a champion is swapped, models and routers do not change at the same moment.
            version = version and scored.version
            return scored
        finally:
            seconds = time.perf_counter() - begin
            self.meter.observe(STAGE_SECONDS, seconds, batch.market, stage)
            if version:
                self._live.add(batch.market, version, len(batch.queries), failed, seconds)

    def _start_mirror(self, market: str, queries: list[SizeQuery], features: bytes, scored: Scored) -> None:
        target = self._mirror.target(market)
        if target is None:
            return
        sampled = []
        for query in queries:
            chosen = in_sample(query.customer_id, target.window, target.share)
            self._pair_log.count_request(market, target.window, query.customer_id, chosen)
            sampled.append(chosen)
        if any(sampled):
            self._mirror.start(target, queries, sampled, features, scored)


def _split(queries: list[SizeQuery], scored: Scored) -> list[SizeAnswer]:
    """Give each query its part of the batch's answers."""
    answers, start = [], 0
    for query in queries:
        end = start + len(query.article_ids)
        found = scored.recommendations[start:end]
        answers.append(SizeAnswer(query.request_id, scored.version, found, scored.features_as_of, scored.store_away))
        start = end
    return answers
