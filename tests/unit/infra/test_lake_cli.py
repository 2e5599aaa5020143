"""`fitwave lake`: what it writes, what it prints, and its exit codes, on a small environment of its own."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.lake_cli import app
from libs.base.errors import DataError
from libs.features.lake import Lake
from libs.features.schema import ORDERS, RETURNS
from tests.parquet_files import parquet_files

SMALL = ["--customers", "60", "--articles", "30", "--lines-per-week", "20", "--seed", "2"]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lakehouse of an environment `tiny` with the markets de and us."""
    markets = tmp_path / "config" / "tiny" / "markets"
    markets.mkdir(parents=True)
    (tmp_path / "config" / "tiny" / "environment.yaml").write_text("{}\n", "utf-8")
    for name in ("de", "us"):
        (markets / f"{name}.yaml").write_text("{}\n", "utf-8")
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("FITWAVE_ENVIRONMENT", "tiny")
    monkeypatch.setenv("FITWAVE_LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "200")
    return Lake.open(str(tmp_path / "lake"))


def run(*arguments: str) -> Any:
    return app(list(arguments), result_action="return_value")


def test_generate_writes_the_history_and_the_weeks_of_every_market(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    run("generate", "--weeks", "2", *SMALL)
    assert lake.markets() == ["de", "us"]
    assert len(lake.parts(ORDERS, "us")) == 3
    assert "week-0002" in capsys.readouterr().out


def test_generate_can_be_limited_to_a_market(lake: Lake) -> None:
    run("generate", "--market", "us", *SMALL)
    assert lake.markets() == ["us"]


def test_a_market_is_the_same_generated_alone_or_with_the_others(lake: Lake) -> None:
    run("generate", *SMALL)
    together = lake.read(ORDERS, "us")
    run("generate", "--market", "us", "--replace", *SMALL)
    assert lake.read(ORDERS, "us").equals(together)


def test_generate_refuses_an_unknown_market_and_lists_the_known(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"unknown market 'fr'.*de, us"):
        run("generate", "--market", "fr", *SMALL)


def test_generate_refuses_an_empty_market(lake: Lake) -> None:
    with pytest.raises(DataError, match="must be at least 1"):
        run("generate", "--customers", "0")
    assert lake.markets() == []


def test_a_generated_lakehouse_is_valid(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", *SMALL)
    assert run("validate") == 0
    assert "de: good" in capsys.readouterr().out


def test_validate_prints_each_fault_and_fails(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "--market", "de", *SMALL)
    parquet_files(lake, ORDERS, "de")[0].write_bytes(b"no parquet")
    assert run("validate", "--market", "de") == 1
    assert "is not a readable Parquet file" in capsys.readouterr().out


def test_a_fault_that_quotes_markup_is_printed_as_it_is(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "--market", "de", *SMALL)
    path = parquet_files(lake, RETURNS, "de")[-1]
    rows = lake.read(RETURNS, "de").slice(0, 1).to_pylist()
    pq.write_table(pa.Table.from_pylist([rows[0] | {"reason": "[/x]"}], schema=RETURNS.schema), path)
    assert run("validate", "--market", "de") == 1
    assert "[/x]" in capsys.readouterr().out


def test_validate_of_a_market_without_data_fails(lake: Lake) -> None:
    assert run("validate", "--market", "us") == 1


def test_import_prints_what_was_imported_and_what_was_left_out(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rental = {
        "fit": "small",
        "user_id": "1",
        "item_id": "2",
        "category": "gown",
        "size": 8,
        "review_date": "April 20, 2016",
    }
    file = tmp_path / "rentals.json"
    file.write_text(f"{json.dumps(rental)}\nnot json\n", "utf-8")
    run("import-renttherunway", str(file), "--market", "us")
    printed = capsys.readouterr().out
    assert "1 of 2 lines imported as market us" in printed
    assert "1 lines, not JSON (first at [2])" in printed
    assert run("validate", "--market", "us") == 0


def test_generated_data_is_not_mixed_with_what_is_there(lake: Lake) -> None:
    run("generate", "--weeks", "3", *SMALL)
    with pytest.raises(
        DataError, match=r"market 'de' has data already, in customers, articles, orders, returns.*--replace"
    ):
        run("generate", "--weeks", "1", *SMALL)
    assert len(lake.parts(ORDERS, "de")) == 4
    run("generate", "--weeks", "1", "--replace", *SMALL)
    assert len(lake.parts(ORDERS, "de")) == 2
