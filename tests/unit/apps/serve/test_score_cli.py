"""The files of ids that `fitwave score` takes."""

from pathlib import Path

import polars as pl
import pytest

from apps.serve.score_cli import read_ids, score
from libs.base.errors import DataError


def test_ids_are_texts_each_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    csv.write_text("article_id,note\n007,x\n12,\n007,y\n,z\n")
    pl.DataFrame({"article_id": ["007", "12", "007", None]}).write_parquet(parquet)
    assert read_ids(csv, "article_id") == ["007", "12"]
    assert read_ids(parquet, "article_id") == ["007", "12"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", None, "cannot be read as CSV"),
        ("a.parquet", b"no parquet", "cannot be read as Parquet"),
        ("a.csv", b"id\n1\n", "has no column 'customer_id': it has id"),
        ("a.csv", b"customer_id,x\n,1\n", "has no customer_id"),
    ],
)
def test_a_file_without_ids_is_refused_by_name(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_ids(path, "customer_id")
    assert str(path) in str(error.value)


def test_an_earlier_result_is_not_mixed_with_a_new_one(tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("customer_id,article_id\nc,a\n")
    with pytest.raises(DataError, match="exists: name a folder that does not"):
        score(market="de", customers=ids, articles=ids, out=tmp_path)


def test_an_unknown_market_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown market 'xx'"):
        score(market="xx", customers=tmp_path / "none", articles=tmp_path / "none", out=tmp_path / "out")
