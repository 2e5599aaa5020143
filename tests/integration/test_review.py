"""A second verdict on a real lake, pair log and registry, as the returns of a window come in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import numpy as np
import polars as pl
import pytest

from apps.shadow.demotion import settle_again, unreviewed
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.market import Market, Training
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS
from libs.features.tables import build_tables
from libs.models.fingerprint import fingerprint
from libs.models.history import Promotion
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.package import save
from libs.models.pair_writer import PairLog
from libs.models.sampling import pair_secret, pseudonym
from libs.models.training import fit_market
from tests.environments import environment_in
from tests.pairs import add, pair
from tests.small_market import SmallMarket, small_market

TRAINED = datetime(2026, 4, 1, tzinfo=UTC)
PROMOTED = datetime(2026, 5, 6, tzinfo=UTC)
DATA = small_market(lines=8_000)
CONFIG = {"shadow": {"second_verdict": {"policy": "report"}}}


@pytest.fixture(scope="module")
def lifecycle(tmp_path_factory: pytest.TempPathFactory, endpoints: Endpoints) -> Lifecycle:
    """A market whose champion was followed by one that has learnt from returns of other lines."""
    folder = tmp_path_factory.mktemp("review")
    own = environment_in(folder, f"review-{token_hex(4)}", {"de": CONFIG})
    found = Lifecycle.of(own, endpoints)
    mixed = DATA.returns.with_columns(pl.col("reason").shuffle(seed=0))
    for returns in (DATA.returns, mixed):
        register(found, folder / token_hex(4), replace(DATA, returns=returns))
    told = [("first", "1", None, TRAINED), ("shadow", "2", "1", TRAINED), ("promote", "2", "1", PROMOTED)]
    for number, (action, version, previous, at) in enumerate(told):
        entry = Entry("de", action, version, previous, "test", at=at.isoformat())  # type: ignore[arg-type]
        assert found.ledger.append(entry, number)
        found.ledger.settle("de", number + 1)
    [promotion] = unreviewed(found, "de")
    log_pairs(own, promotion)
    return found


def register(lifecycle: Lifecycle, folder: Path, data: SmallMarket) -> None:
    market = Market(name="de", training=Training(rounds=20, min_child_weight=5))
    folder.mkdir()
    tables = build_tables(market, data.lines, data.returns, data.customers, data.articles, TRAINED)
    tables.training.write_parquet(folder / "training.parquet")
    save(fit_market(market, str(folder / "training.parquet"), None).package, folder / "model")
    sha256 = fingerprint(folder / "model")
    lifecycle.registry.register("de", folder / "model", sha256, {}, {"fitwave.status": "accepted"})


def log_pairs(environment: Environment, promotion: Promotion) -> None:
    """Everybody asks an hour before; two in three are named the same size by both, and most buy it."""
    log, secret, rng = PairLog(environment.lake, flush_s=3600), pair_secret(environment.home), np.random.default_rng(0)
    for number, line in enumerate(DATA.lines.filter(pl.col("ordered_at").is_between(TRAINED, PROMOTED)).to_dicts()):
        other = str(int(line["size"]) + 2)
        row = pair(number)._replace(
            customer=pseudonym(line["customer_id"], secret),
            at=line["ordered_at"] - timedelta(hours=1),
            article_ids=[line["article_id"]],
            champion_sizes=[line["size"] if rng.random() < 0.8 else other],
            challenger_sizes=[line["size"] if rng.random() < 0.8 else other],
        )
        log.count_request("de", promotion.window, line["customer_id"], sampled=True)
        add(log, promotion.window, row)
    log.close()


def deliver(lake: Lake, until: datetime) -> None:
    """All that has happened until then."""
    orders = DATA.lines.with_columns(order_id="line_id", quantity=pl.lit(1, pl.Int32), channel=pl.lit("web"))
    lake.write_frame(CUSTOMERS, "de", "all", DATA.customers)
    lake.write_frame(ARTICLES, "de", "all", DATA.articles)
    lake.write_frame(ORDERS, "de", "all", orders.filter(pl.col("ordered_at") < until))
    known = DATA.returns.join(orders.filter(pl.col("ordered_at") < until), on="line_id", how="semi")
    lake.write_frame(RETURNS, "de", "all", known.filter(pl.col("returned_at") < until))


def test_a_version_waits_for_its_returns_and_is_found_worse_once_they_are_mature(lifecycle: Lifecycle) -> None:
    lake = Lake.open(lifecycle.environment.lake)
    deliver(lake, TRAINED + timedelta(days=20))
    [waiting] = settle_again(lifecycle, "de")
    assert (waiting.verdict.decision, waiting.action) == ("wait", "nothing")
    assert waiting.verdict.purchases.mature == 0
    assert waiting.verdict.purchases.bought > 500

    deliver(lake, datetime(2026, 7, 1, tzinfo=UTC))
    [reviewed] = settle_again(lifecycle, "de")
    found = reviewed.verdict
    assert (found.decision, reviewed.action, reviewed.why) == ("demote", "noted", "the policy is to report")
    assert found.purchases.complete
    assert 0.9 * found.purchases.bought < found.purchases.scored < found.purchases.bought == found.purchases.mature
    assert 0.5 < found.differences["same_size"].lines / found.purchases.scored < 0.8
    assert not list((lifecycle.environment.home / "runs").iterdir())

    tags = lifecycle.registry.version("de", "2").tags
    assert tags["fitwave.second_verdict"] == "demote"
    assert tags["fitwave.second_verdict_reason"].endswith("; not demoted: the policy is to report")
    assert settle_again(lifecycle, "de") == []
    assert [entry.action for entry in lifecycle.ledger.entries("de")] == ["first", "shadow", "promote"]
