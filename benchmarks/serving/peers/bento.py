"""The same two steps as a BentoML composition: a lookup service, and a model service that asks it.

Run in an environment of its own, where BentoML's versions come first:

    bentoml serve benchmarks.serving.peers.bento:Model
"""

import os
from pathlib import Path
from typing import Any

import bentoml  # pants: no-infer-dep

_MARKET = os.environ["FITWAVE_BENCHMARK_MARKET"]


@bentoml.service(workers=1)
class Lookup:
    """Reads features from the same store."""

    def __init__(self) -> None:
        from libs.features.definitions import views
        from libs.features.lookup import OnlineLookup
        from libs.features.online import OnlineStore
        from libs.features.sides import Sides

        environment, home, redis_url = (
            os.environ[f"FITWAVE_BENCHMARK_{name}"] for name in ("ENVIRONMENT", "HOME", "REDIS")
        )
        store = OnlineStore.open(environment, Path(home), redis_url)
        self._lookup = OnlineLookup(store, views(), Sides(redis_url, environment))

    @bentoml.api
    async def look_up(self, customer_id: str, article_ids: list[str]) -> bytes:
        """The features of one question."""
        from libs.features.snapshot import Question
        from libs.features.wire import pack

        return pack(self._lookup.look_up(_MARKET, [Question(customer_id, one) for one in article_ids]))


@bentoml.service(workers=1)
class Model:
    """Predicts with the same booster."""

    lookup = bentoml.depends(Lookup)

    def __init__(self) -> None:
        from libs.models.package import load

        self._package = load(Path(os.environ["FITWAVE_BENCHMARK_PACKAGE"]))

    @bentoml.api
    async def recommend(self, customer_id: str, article_ids: list[str]) -> list[dict[str, Any]]:
        """Look up, predict, answer."""
        from benchmarks.serving.peers.answers import best_sizes
        from libs.features.wire import unpack

        features = await self.lookup.to_async.look_up(customer_id=customer_id, article_ids=article_ids)
        return best_sizes(self._package, unpack(features), article_ids)
