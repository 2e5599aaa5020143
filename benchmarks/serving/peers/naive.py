"""The same two steps as Ray Serve's first examples compose them: a handle call a step, for every request by itself.

`python -m benchmarks.serving.peers.naive PORT` runs it on a Ray of its own, with Serve as it ships.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.handle import DeploymentHandle

from benchmarks.serving.peers.answers import best_sizes
from libs.features.definitions import views
from libs.features.lookup import OnlineLookup
from libs.features.online import OnlineStore
from libs.features.sides import Sides
from libs.features.snapshot import Question, Snapshot
from libs.models.package import load

api = FastAPI()


class Body(BaseModel):
    """Who asks about which articles."""

    customer_id: str
    article_ids: list[str]


@serve.deployment
class Lookup:
    """Reads features from the same store."""

    def __init__(self, environment: str, home: str, redis_url: str, market: str) -> None:
        store = OnlineStore.open(environment, Path(home), redis_url)
        self._lookup = OnlineLookup(store, views(), Sides(redis_url, environment))
        self._market = market

    def look_up(self, customer_id: str, article_ids: list[str]) -> Snapshot:
        """The features of one question."""
        return self._lookup.look_up(self._market, [Question(customer_id, one) for one in article_ids])


@serve.deployment
class Model:
    """Predicts with the same booster."""

    def __init__(self, package: str) -> None:
        self._package = load(Path(package))

    def predict(self, asked: Snapshot, article_ids: list[str]) -> list[dict[str, Any]]:
        """The answers to one question."""
        return best_sizes(self._package, asked, article_ids)


@serve.deployment
@serve.ingress(api)
class Entry:
    """Takes a request through both."""

    def __init__(self, lookup: DeploymentHandle[Any], model: DeploymentHandle[Any]) -> None:
        self._lookup, self._model = lookup, model

    @api.post("/recommend")
    async def recommend(self, body: Body) -> Any:
        """Look up, predict, answer."""
        asked = await self._lookup.look_up.remote(body.customer_id, body.article_ids)
        return await self._model.predict.remote(asked, body.article_ids)


def main(port: int) -> None:
    """Serve until asked to stop."""
    environment, home, redis_url, package, market = (
        os.environ[f"FITWAVE_BENCHMARK_{name}"] for name in ("ENVIRONMENT", "HOME", "REDIS", "PACKAGE", "MARKET")
    )
    ray.init(num_cpus=6, include_dashboard=False, log_to_driver=False)
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
    lookup: Any = Lookup
    model: Any = Model
    entry: Any = Entry
    serve.run(entry.bind(lookup.bind(environment, home, redis_url, market), model.bind(package)))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
