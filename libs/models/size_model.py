"""The SizeModel deployment's class: champions of the live application and challengers run the same code."""

import time
from typing import Any

import msgspec

from libs.base.metrics import BATCH_ARTICLES, MODEL_INFO, STAGE_SECONDS
from libs.base.telemetry import Telemetry
from libs.calls.called import Called
from libs.features.wire import unpack
from libs.models.contract import ModelRef
from libs.models.score_call import SCORE, Scored


class SizeModel(Called):
    """Answers batches with the models of its `user_config`; Serve swaps them in the living replica.

    With a lake, it counts what the questions look like; a challenger's are a sample of the champion's.
    """

    def __init__(self, lake_uri: str | None = None, telemetry: Telemetry | None = None) -> None:
        # Only a replica has a use for XGBoost; Serve imports this module in a process of its own whenever it deploys.
        from libs.models.scorer import Scorer
        from libs.models.traffic import TrafficWatch

        super().__init__("SizeModel" if lake_uri else "Challenger", {SCORE: self.score}, telemetry)
        self._role = "champion" if lake_uri else "challenger"
        self._traffic = TrafficWatch(lake_uri) if lake_uri is not None else None
        self._scorer = Scorer(self._traffic)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take the models of `{"models": {market: ModelRef}}`.

        Raises:
            DataError: a package cannot be loaded; Serve reports it and keeps the old models.
        """
        models = msgspec.convert(user_config["models"], dict[str, ModelRef])
        self._scorer.set_models(models)
        self.meter.clear(MODEL_INFO)
        for market, ref in models.items():
            self.meter.set(MODEL_INFO, 1, market, self._role, ref.version)

    async def score(self, market: str, packed: bytes, article_ids: list[str]) -> Scored:
        """Answer one batch of one market's questions, whose features come as `libs.features.wire.pack` made them."""
        begin = time.perf_counter()
        scored = self._scorer.score(market, unpack(packed), article_ids)
        self.meter.observe(STAGE_SECONDS, time.perf_counter() - begin, market, "score")
        self.meter.observe(BATCH_ARTICLES, len(article_ids), market)
        return scored
