"""Ids that would mean something to a store reach their own row and no other, on a real Redis."""

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.base.market import Market
from libs.features.definitions import views
from libs.features.online import OnlineStore
from libs.features.sides import place
from libs.features.tables import build_tables
from tests.redis_servers import with_password
from tests.small_market import AS_OF, small_market

# Separators of keys and paths, wildcards, control characters, and other places' ids.
PARTS = st.sampled_from(
    ["a", "de@a", "us@a", ":", "|", "/", "..", "*", "?", "[a]", "\\", "\0", "\n", "\r\n", "%00", " "]
)
IDS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=20),
    st.text(st.sampled_from("a*"), min_size=10_000, max_size=10_000),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineStore]:
    with with_password(tmp_path_factory.mktemp("redis")) as url:
        yield OnlineStore.open("fit", tmp_path_factory.mktemp("home"), url)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Customers who are told apart by their height."""
    data = small_market(lines=2_000)
    tables = build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)
    return tables.customers.head(20).with_columns(height_cm=pl.int_range(150, 170, dtype=pl.Int64).cast(pl.Float64))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ids=st.lists(IDS, min_size=2, max_size=8, unique=True), asked=IDS)
def test_each_id_has_a_row_of_its_own_in_each_market(
    store: OnlineStore, rows: pl.DataFrame, ids: list[str], asked: str
) -> None:
    view, here, there = views().customers, place("de", "a"), place("us", "a")
    store.write(view, here, ids, rows[: len(ids)], AS_OF)
    store.write(view, there, ids[:1], rows[len(ids) : len(ids) + 1], AS_OF)
    kept = dict(zip(ids, rows["height_cm"].to_list(), strict=False))

    def read() -> dict[str, float | None]:
        found = store.read(view, here, [*ids, asked])
        return {one: row.values["height_cm"] if row else None for one, row in zip([*ids, asked], found, strict=True)}

    assert read() == {asked: None} | kept
    assert sorted(store.ids(view, here)) == sorted(ids)
    assert list(store.ids(view, there)) == ids[:1]
    assert store.delete(view, here, ids[:1]) == 1
    assert read() == {asked: None} | kept | {ids[0]: None}
    assert store.delete(view, here, ids[1:]) == len(ids) - 1
    assert store.delete(view, there, ids[:1]) == 1
