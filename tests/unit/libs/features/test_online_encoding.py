"""Rows and keys, byte for byte as Feast makes them."""

from datetime import UTC, datetime

import polars as pl
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from libs.features.definitions import views
from libs.features.online_encoding import RowKeys, encoded

VIEWS = views()
ids = st.text(min_size=1, max_size=40)


@given(ids, ids)
def test_a_key_is_the_one_that_feast_makes_whatever_the_id(place: str, entity: str) -> None:
    for view, name in ((VIEWS.customers, "customer_id"), (VIEWS.articles, "article_id")):
        values = [Value(string_val=place), Value(string_val=entity)]
        expected = serialize_entity_key(EntityKey(join_keys=["market", name], entity_values=values), 3) + b"project"
        keys = RowKeys("project", view, place)
        assert keys.key(entity) == expected
        assert keys.entity(expected) == entity


@given(ids, ids, ids)
def test_a_key_of_another_place_or_view_is_nobodys(place: str, other: str, entity: str) -> None:
    keys = RowKeys("project", VIEWS.customers, place)
    assert RowKeys("project", VIEWS.articles, place).entity(keys.key(entity)) is None
    if other != place:
        assert RowKeys("project", VIEWS.customers, other).entity(keys.key(entity)) is None


numbers = st.none() | st.floats(allow_nan=True, width=64)
rows = st.fixed_dictionaries(
    {
        "height_cm": numbers,
        "weight_kg": numbers,
        "birth_year": numbers,
        "bust_cm": numbers,
        "underbust_cm": numbers,
        "body_positions": st.lists(st.floats(), max_size=8),
        "history_scale": st.lists(st.integers(0, 7), max_size=4),
        "history_position": st.lists(st.floats(), max_size=4),
        "history_brand": st.lists(st.text(), max_size=4),
        "history_kept": st.lists(st.floats(), max_size=4),
        "history_small": st.lists(st.floats(), max_size=4),
        "history_large": st.lists(st.floats(), max_size=4),
    }
)


SCHEMA = {
    **dict.fromkeys(("height_cm", "weight_kg", "birth_year", "bust_cm", "underbust_cm"), pl.Float64()),
    **dict.fromkeys(("body_positions", "history_position"), pl.List(pl.Float64)),
    **dict.fromkeys(("history_kept", "history_small", "history_large"), pl.List(pl.Float64)),
    "history_scale": pl.List(pl.Int64),
    "history_brand": pl.List(pl.String),
}
AS_OF = datetime(2026, 3, 1, 4, 5, 6, 789, UTC)


@given(st.lists(st.tuples(rows, st.booleans()), max_size=4))
def test_rows_of_a_batch_are_those_that_each_would_be_alone(batch: list[tuple[dict[str, object], bool]]) -> None:
    made = [row if whole else dict.fromkeys(row) for row, whole in batch]
    alone = [one for row in made for one in encoded(VIEWS.customers, pl.DataFrame([row], schema=SCHEMA), AS_OF)]
    frame = pl.DataFrame(made, schema=SCHEMA)
    assert list(encoded(VIEWS.customers, frame, AS_OF)) == alone
    # Parts of a frame share its buffers.
    assert list(encoded(VIEWS.customers, frame[1:], AS_OF)) == alone[1:]


@given(rows)
def test_a_row_is_the_one_that_feast_makes(row: dict[str, object]) -> None:
    (found,) = encoded(VIEWS.customers, pl.DataFrame([row], schema=SCHEMA), AS_OF)
    stamp = Timestamp()
    stamp.FromDatetime(AS_OF)
    expected = {b"_ts:customer_features": stamp.SerializeToString()}
    for field in VIEWS.customers.features:
        (value,) = python_values_to_proto_values([row[field.name]], field.dtype.to_value_type())
        expected[_mmh3(f"customer_features:{field.name}")] = value.SerializeToString()
    assert found == expected
