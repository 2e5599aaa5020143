"""The mirror writes a row for every sampled query, whatever became of it."""

from pathlib import Path

import pytest

from apps.serve import mirror
from apps.serve.mirror import Mirror, MirrorTarget
from libs.features.lake import Lake
from libs.features.snapshot import snapshot
from libs.features.wire import pack
from libs.models.contract import SizeQuery
from libs.models.pair_log import SHED, read_window
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from libs.models.score_call import Scored
from tests.unit.apps.serve.router import answer
from tests.unit.libs.models.online_rows import article


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
