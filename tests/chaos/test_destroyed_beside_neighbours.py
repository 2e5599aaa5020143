"""An environment is removed from stores that it shares with others whose names begin, end or go on with its own."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import redis

from infra.branches.key_space import KeySpace
from libs.base.api_keys import SCOPES
from libs.base.key_store import KeyStore
from libs.base.metric_board import MetricBoard
from libs.base.metrics import SHADOW_JUDGED
from libs.features.definitions import views
from libs.features.online import OnlineStore
from libs.features.sides import SIDES, Sides, place
from libs.models.registry import Registry
from tests.redis_servers import client, server, wait_until

NOW = datetime(2026, 7, 6, tzinfo=UTC)
NEIGHBOURS = ("x-main", "main-x", "main-main", "xmain", "mainx", "m", "main-de", "x-main-x")
MARKETS = ("de", "main", "main-x")
# Of nobody's environment: other programs' keys, and names that none of ours can have.
STRANGE = (
    *("main", "x-main", "main:x", "fitwave", "fitwave:", "fitwave:{main", "fitwave:{main:x}:live:de", "*main*"),
    *("fitwave:main-x:a", "x:fitwave:{main}:live", "fitwave:{*}:live:de", "fitwave_main", "fitwave_x_main"),
)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        yield f"redis://127.0.0.1:{port}/0"


def fill(name: str, redis_url: str, folder: Path) -> None:
    """Everything that an environment keeps in Redis."""
    online, sides = OnlineStore.open(name, folder / name, redis_url), Sides(redis_url, name)
    for market in MARKETS:
        for view, ids in ((views().customers, ["main", "x-main", "c1"]), (views().articles, ["fitwave_main"])):
            rows = pl.DataFrame({field.name: [None] * len(ids) for field in view.features})
            for side in SIDES:
                online.write(view, place(market, side), ids, rows, NOW)
        sides.make_live(market, "a", NOW)
        sides.set_contents(market, "a", "x")
        sides.forget(market, "c2")
    keys = KeyStore(redis_url, name)
    keys.create(None, frozenset(SCOPES), "shop")
    keys.close()
    MetricBoard(redis_url, name).keep(SHADOW_JUDGED, 1.0, "de")


def picture(redis_url: str) -> dict[bytes, str]:
    with redis.Redis.from_url(redis_url) as found:
        return {key: hashlib.sha256(cast("bytes", found.dump(key))).hexdigest() for key in found.scan_iter(count=1000)}


@pytest.mark.row("18", "`main` is destroyed beside `x-main`, `main-x` and the like, in Redis", "0 foreign keys lost")
def test_no_key_of_a_neighbour_is_lost(figure: Callable[[str], None], redis_url: str, tmp_path: Path) -> None:
    for name in NEIGHBOURS:
        fill(name, redis_url, tmp_path)
    with redis.Redis.from_url(redis_url) as found:
        for key in STRANGE:
            found.set(key, "somebody else's")
    before = picture(redis_url)
    fill("main", redis_url, tmp_path)
    own = len(picture(redis_url)) - len(before)
    with KeySpace(redis_url, "main") as keys:
        removed = keys.remove()
    lost = sum(picture(redis_url).get(key) != value for key, value in before.items())
    figure(f"{removed} own keys removed, {lost} of {len(before)} of {len(NEIGHBOURS)} neighbours and strangers lost")
    assert removed == own > 30
    assert picture(redis_url) == before


@pytest.mark.row("18", "`main` is destroyed beside `x-main`, `main-x` and the like, in MLflow", "0 foreign rows lost")
def test_no_model_of_a_neighbour_is_lost(figure: Callable[[str], None], tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "model").write_text("a model")

    def registry(name: str) -> Registry:
        return Registry(name, f"sqlite:///{tmp_path}/mlflow.db", tmp_path / name / "artifacts")

    def rows() -> Counter[tuple[Any, ...]]:
        with sqlite3.connect(tmp_path / "mlflow.db") as db:
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            tables = [name for (name,) in db.execute(query).fetchall()]
            return Counter((name, *one) for name in tables for one in db.execute(f'SELECT * FROM "{name}"'))

    def fill(name: str) -> None:
        for market in MARKETS:
            registry(name).register(market, tmp_path / "package", "0", {"auc": 0.5}, {})
            registry(name).assign(market, "champion", "1")

    for name in NEIGHBOURS:
        fill(name)
    before = rows()
    fill("main")
    erased = registry("main").erase()
    figure(
        f"{erased.models} models, {erased.runs} runs removed, {(before - rows()).total()} of {before.total()} rows lost"
    )
    assert (erased.models, erased.runs) == (len(MARKETS), len(MARKETS))
    assert rows() == before
