"""The mirror writes a row for every sampled query, whatever became of it."""

import asyncio
from pathlib import Path

import pytest

from apps.serve import mirror
from apps.serve.mirror import Mirror, MirrorTarget
from libs.base.errors import TransientError
from libs.base.meter import Meter
from libs.base.tracing import CURRENT
from libs.features.lake import Lake
from libs.features.snapshot import snapshot
from libs.features.wire import pack
from libs.models.contract import SizeQuery
from libs.models.pair_log import SHED, read_window
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from libs.models.score_call import Scored
from tests.traces import TRACE_ID, TRACEPARENT, MemoryTracer
from tests.unit.apps.serve.router import answer
from tests.unit.libs.models.online_rows import article


def test_pairs_are_counted_by_what_became_of_them_and_the_call_is_a_trace_that_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, meter, tracer = PairLog(str(tmp_path), flush_s=3600), Meter("ShadowRouter", "r1"), MemoryTracer()
    queries = [SizeQuery("de", name, ["a"], name) for name in ("r0", "r1")]
    features = pack(snapshot([0, 1], [(None, article("footwear-women", 3.0))] * 2))
    champion = Scored("1", [answer("a"), answer("a")], 0.002)
    target = MirrorTarget("de", "challenger", "2", "w", 0.5, 5.0)

    async def away(*_: object) -> None:
        raise TransientError("no such application")

    async def run() -> None:
        mirrored = Mirror(log, str(tmp_path), meter, tracer)
        monkeypatch.setattr(mirrored, "_caller", away)
        token = CURRENT.set(TRACEPARENT)
        mirrored.start(target, queries, [True, True], features, champion)
        CURRENT.reset(token)
        await mirrored.drain()

    asyncio.run(run())
    log.close()
    assert 'market="de",outcome="error"' in meter.lines()["fitwave_shadow_pairs_total"]
    assert meter.lines()["fitwave_shadow_pairs_total"].endswith(" 2.0")
    span = tracer.spans()["mirror"]
    assert span.parent is None
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE_ID]
    tracer.close()


def test_a_shed_query_is_a_row_with_the_slices_of_its_articles_and_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_MAX_IN_FLIGHT", 0)
    log = PairLog(str(tmp_path), flush_s=3600)
    queries = [
        SizeQuery("de", "somebody", ["none"], "r0"),
        SizeQuery("de", "someone", ["a", "b"], "r1"),
        SizeQuery("de", "nobody", ["c"], "r2"),
    ]
    # Questions 1 and 3 are of articles that are online.
    features = pack(snapshot([1, 3], [(None, article("footwear-women", 3.0)), (None, article("apparel-men", 3.0))]))
    champion = Scored("1", [answer(name) for name in ("none", "a", "b", "c")], 0.002)
    target = MirrorTarget("de", "challenger", "2", "w", 0.5, 0.5)
    Mirror(log, str(tmp_path)).start(target, queries, [False, True, True], features, champion)
    log.close()
    rows, _ = read_window(Lake.open(str(tmp_path)), "de", "w")
    assert rows["outcome"].to_list() == [SHED, SHED]
    assert rows["request_id"].to_list() == [pseudonym(one, pair_secret(tmp_path)) for one in ("r1", "r2")]
    assert rows["customer"].to_list() == [pseudonym(one, pair_secret(tmp_path)) for one in ("someone", "nobody")]
    assert rows["article_ids"].to_list() == [["a", "b"], ["c"]]
    assert rows["slices"].to_list() == [
        ["basis_market_article", "division_footwear"],
        ["basis_market_article", "division_apparel"],
    ]
