"""What an engineer writes by hand: one FastAPI process that looks up, predicts and answers, a request at a time.

It uses the same store, the same assembly and the same booster as Fitwave; it asks for no key, explains nothing, mirrors
nothing and measures nothing. With `FITWAVE_BENCHMARK_CACHE=1` it keeps the articles it has read, as Fitwave's lookup
does; without, it reads everything each time.

The endpoint is a coroutine that never waits: in FastAPI's thread pool what it keeps of articles would need a lock.

    uvicorn benchmarks.serving.peers.monolith:app --workers 2
"""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.peers.answers import best_sizes
from libs.features.definitions import views
from libs.features.lookup import OnlineLookup
from libs.features.online import OnlineStore
from libs.features.sides import Sides
from libs.features.snapshot import Question
from libs.models.package import load

_ENVIRONMENT, _HOME, _REDIS, _PACKAGE, _MARKET = (
    os.environ[f"FITWAVE_BENCHMARK_{name}"] for name in ("ENVIRONMENT", "HOME", "REDIS", "PACKAGE", "MARKET")
)
_KEEPS_ARTICLES = os.environ["FITWAVE_BENCHMARK_CACHE"] == "1"

app = FastAPI()
_package = load(Path(_PACKAGE))
_store, _views = OnlineStore.open(_ENVIRONMENT, Path(_HOME), _REDIS), views()
_sides = Sides(_REDIS, _ENVIRONMENT)
_lookup = OnlineLookup(_store, _views, _sides)


class Body(BaseModel):
    """Who asks about which articles."""

    customer_id: str
    article_ids: list[str]


class Size(BaseModel):
    """One size's probabilities."""

    size: str
    small: float
    fit: float
    large: float


class Answer(BaseModel):
    """The best size of one article, and all of them."""

    article_id: str
    size: str
    sizes: list[Size]


@app.post("/recommend", response_model=list[Answer])
async def recommend(body: Body) -> list[dict[str, Any]]:
    """Look up, predict, answer."""
    lookup = _lookup if _KEEPS_ARTICLES else OnlineLookup(_store, _views, _sides)
    asked = lookup.look_up(_MARKET, [Question(body.customer_id, one) for one in body.article_ids])
    return best_sizes(_package, asked, body.article_ids)
