"""A router that Serve takes away leaves nothing unwritten."""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any, cast

import pytest

from apps.serve.shadow_router import ShadowRouter
from libs.calls.caller import Caller
from libs.features.lake import Lake
from libs.features.snapshot import snapshot
from libs.features.wire import pack
from libs.models.contract import SizeQuery
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
    config = {"pair_flush_s": 10.0, "markets": {"de": {"size_model": "SizeModel", "challenger": challenger}}}
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
