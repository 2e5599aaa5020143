"""A router that Serve takes away leaves nothing unwritten; what it counts of live answers is what came of them; of a
canary no customer sees more than the version that answered.
"""

import asyncio
import gc
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from apps.serve.canary import Batch
from apps.serve.shadow_router import ShadowRouter
from libs.base.errors import TransientError
from libs.calls.caller import Caller
from libs.calls.frames import Busy
from libs.features.lake import Lake
from libs.features.snapshot import Question, snapshot
from libs.features.wire import pack, unpack
from libs.models.contract import SizeAnswer, SizeQuery
from libs.models.live_counts import read_live
from libs.models.pair_log import COMPLETE, files, read_window, window_folder
from libs.models.sampling import in_canary
from libs.models.score_call import Scored
from tests.unit.apps.serve.router import Router, answer, size_38
from tests.unit.libs.models.online_rows import article


def taken_away(router: ShadowRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve ends the process after `__del__`; here Python would call it again."""
    monkeypatch.delattr(ShadowRouter, "__del__")
    del router
    gc.collect()


def asked(number: int) -> Batch:
    """A batch of so many queries of market de about article a, each by a customer of its own."""
    return Batch([SizeQuery("de", f"c{one}", ["a"], f"r{one}") for one in range(number)], b"")


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

    taken_away(asyncio.run(serve_and_go()), monkeypatch)
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
        assert (await router._score(asked(4))).version == "3"
        model.behaviour = "fail"
        with pytest.raises(TransientError):
            await router._score(asked(2))
        model.behaviour = "hang"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await router._score(asked(1))
        await router.__del__()
        return router

    taken_away(asyncio.run(ask()), monkeypatch)
    lake, always = Lake.open(str(tmp_path)), datetime(2026, 1, 1, tzinfo=UTC)
    found = [read_live(lake, "de", version, always).select("requests", "failed").sum().rows() for version in "32"]
    assert found == ([[(4, 0)], [(3, 2)]] if counted else [[(0, 0)], [(0, 0)]])
    assert not counted or read_live(lake, "de", "2", always)["seconds"].sum() >= 0.05


class Answering:
    """A deployment of one version: answers each article, fails, is busy, or does not answer."""

    def __init__(self, version: str, behaviour: str = "answer") -> None:
        self._version, self._behaviour = version, behaviour

    async def call(self, _: Any, market: str, packed: bytes, articles: list[str]) -> Scored:
        if self._behaviour == "hang":
            await asyncio.sleep(60)
        if self._behaviour == "busy":
            raise Busy("full")
        if self._behaviour == "fail":
            raise ValueError("a bug")
        assert len(unpack(packed).known) == len(articles)
        return Scored(self._version, [answer(article) for article in articles], 0.002)

    def close(self) -> None:
        pass


class Lookup:
    """Knows every article."""

    async def call(self, _: Any, market: str, questions: list[Question]) -> bytes:
        return pack(snapshot(list(range(len(questions))), [(None, article("footwear-women", 3.0))] * len(questions)))


@pytest.mark.parametrize("behaviour", ["answer", "fail", "busy", "hang"])
def test_a_canary_answers_its_customers_and_where_it_does_not_the_champion_does_and_it_is_counted(
    behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = {"application": "shadow", "version": "2", "window": "w", "share": 1.0, "timeout_s": 0.1}
    canary = {"canary_share": 0.5, "canary_timeout_s": 0.05 if behaviour == "hang" else 30.0}
    monkeypatch.setattr("apps.serve.shadow_router._REST_S", 60.0)  # however busy this machine is
    entry = {"size_model": "SizeModel", "counted_as": "1", "challenger": challenger | canary}
    queries = [SizeQuery("de", f"c{one}", [f"a{one}", f"b{one}"], f"r{one}") for one in range(40)]
    chosen = {query.request_id for query in queries if in_canary(query.customer_id, "w", 0.5)}
    found: list[SizeAnswer] = []

    async def ask() -> ShadowRouter:
        router = ShadowRouter(cast(Any, Router(size_38)), {}, str(tmp_path), str(tmp_path))
        router.reconfigure({"pair_flush_s": 10.0, "markets": {"de": entry}})
        router._feature_lookup = cast(Caller, Lookup())
        router._size_models = {"SizeModel": cast(Caller, Answering("1"))}
        router._mirror._callers["shadow"] = cast(Caller, Answering("2", behaviour))
        found.extend(await router.recommend(queries))
        if behaviour == "hang":
            assert {one.model_version for one in await router.recommend(queries)} == {"1"}
        if behaviour == "answer":
            router.reconfigure({"pair_flush_s": 10.0, "markets": {"de": entry}})
            assert "shadow" in router._mirror._callers, "the next answer would be late"
        await router.__del__()
        return router

    taken_away(asyncio.run(ask()), monkeypatch)
    assert [one.request_id for one in found] == [query.request_id for query in queries]
    assert [one.recommendations for one in found] == [[answer(a) for a in query.article_ids] for query in queries]
    given = {one.request_id for one in found if one.model_version == "2"}
    assert 0 < len(chosen) < len(queries)
    assert given == (chosen if behaviour == "answer" else set())
    lake, always = Lake.open(str(tmp_path)), datetime(2026, 1, 1, tzinfo=UTC)
    counted = {one: read_live(lake, "de", one, always).select("requests", "failed").sum().row(0) for one in "12"}
    rest, failed = len(queries) - len(chosen), 0 if behaviour == "answer" else len(chosen)
    # One that was late rests for a while, in which all are the champion's customers.
    meanwhile = len(queries) if behaviour == "hang" else 0
    assert counted == {"1": (rest + failed + meanwhile, 0), "2": (len(chosen), failed)}
    _, mirrored = read_window(lake, "de", "w")
    assert mirrored.requests == mirrored.expected == rest + meanwhile
