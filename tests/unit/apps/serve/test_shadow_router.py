"""A router that Serve takes away leaves nothing unwritten; what it counts of live answers is what came of them."""

import asyncio
import gc
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from apps.serve.shadow_router import ShadowRouter
from libs.base.errors import TransientError
from libs.calls.caller import Caller
from libs.features.lake import Lake
from libs.features.snapshot import snapshot
from libs.features.wire import pack
from libs.models.contract import SizeQuery
from libs.models.live_counts import read_live
from libs.models.pair_log import COMPLETE, files, read_window, window_folder
from libs.models.scorer import Scored
from tests.unit.apps.serve.router import Router, answer, size_38
from tests.unit.libs.models.online_rows import article


class SlowChallenger:
    """Is still at work when the router goes."""

    async def call(self, *_: Any) -> Scored:
        await asyncio.sleep(0.05)
        return Scored("2", [answer("a")], 0.002)

    def close(self) -> None:
        pass


def test_a_router_that_is_taken_away_waits_for_the_challenger_writes_the_pair_and_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = {"application": "shadow", "version": "2", "window": "w", "share": 1.0, "timeout_s": 5.0}
    config = {
        "pair_flush_s": 10.0,
        "markets": {"de": {"size_model": "SizeModel", "counted_as": None, "challenger": challenger}},
    }
    features = pack(snapshot([0], [(None, article("footwear-women", 3.0))]))

    async def serve_and_go() -> ShadowRouter:
        router = ShadowRouter(cast(Any, Router(size_38)), {}, str(tmp_path), str(tmp_path))
        router.reconfigure(config)
        router._mirror._callers["shadow"] = cast(Caller, SlowChallenger())
        queries = [SizeQuery("de", "somebody", ["a"], "r0")]
        router._start_mirror("de", queries, features, Scored("1", [answer("a")], 0.002))
        await router.__del__()
        return router

    router = asyncio.run(serve_and_go())
    # Serve ends the process after it; here Python would call it again.
    monkeypatch.delattr(ShadowRouter, "__del__")
    del router
    gc.collect()
    lake = Lake.open(str(tmp_path))
    rows, counts = read_window(lake, "de", "w")
    assert (rows["outcome"].to_list(), counts.expected) == ([COMPLETE], 1)
    [told] = files(lake, window_folder(lake, "de", "w"), ".json")
    assert json.loads(Path(told).read_text())["closed"]


class Model:
    """Answers as version 3, fails, or does not answer."""

    def __init__(self) -> None:
        self.behaviour = "answer"

    async def call(self, *_: Any) -> Scored:
        if self.behaviour == "hang":
            await asyncio.sleep(60)
        if self.behaviour == "fail":
            raise TransientError("away")
        return Scored("3", [answer("a")], 0.002)


@pytest.mark.parametrize("counted", [True, False])
def test_live_answers_failures_and_what_was_given_up_are_counted_where_they_are_guarded(
    counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"size_model": "SizeModel", "counted_as": "2" if counted else None, "challenger": None}

    async def ask() -> ShadowRouter:
        router, model = ShadowRouter(cast(Any, Router(size_38)), {}, str(tmp_path), str(tmp_path)), Model()
        router.reconfigure({"pair_flush_s": 10.0, "markets": {"de": entry}})
        router._size_models = {"SizeModel": cast(Caller, model)}
        assert (await router._score("de", b"", ["a"], 4)).version == "3"
        model.behaviour = "fail"
        with pytest.raises(TransientError):
            await router._score("de", b"", ["a"], 2)
        model.behaviour = "hang"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await router._score("de", b"", ["a"], 1)
        await router.__del__()
        return router

    router = asyncio.run(ask())
    monkeypatch.delattr(ShadowRouter, "__del__")
    del router
    gc.collect()
    lake, always = Lake.open(str(tmp_path)), datetime(2026, 1, 1, tzinfo=UTC)
    found = [read_live(lake, "de", version, always).select("requests", "failed").sum().rows() for version in "32"]
    assert found == ([[(4, 0)], [(3, 2)]] if counted else [[(0, 0)], [(0, 0)]])
    assert not counted or read_live(lake, "de", "2", always)["seconds"].sum() >= 0.05
