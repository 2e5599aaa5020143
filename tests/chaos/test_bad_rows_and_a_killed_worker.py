"""Rows that break something, and a worker that dies over them: each row is counted once, as kept or as left out."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.market import Validation
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.preprocess import Prepared, preprocess
from libs.features.schema import ORDERS
from tests.lost_worker import killed
from tests.parquet_files import parquet_files

PLAN = MarketPlan("de", 4_000, 200, 8_000, 2)
AS_OF = cut_off(PLAN, 0)
KILLS = 3


@pytest.mark.timeout(900)
@pytest.mark.row("21", "Ray Data: 1 % bad rows and killed workers", "rows in = valid + quarantined, exactly")
def test_every_row_is_kept_or_left_out_once(
    figure: Callable[[str], None], environment: Environment, endpoints: Endpoints, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    deliver(lake, PLAN, 0)
    delivered = bad = 0
    for path in parquet_files(lake, ORDERS, "de"):
        rows = pl.DataFrame(pl.from_arrow(pq.read_table(path, partitioning=None)))
        broken = pl.int_range(pl.len()) % 100 == 7
        delivered, bad = delivered + len(rows), bad + rows.select(broken.sum()).item()
        rows = rows.with_columns(pl.when(broken).then(0).otherwise("quantity").alias("quantity"))
        schema = pa.schema([column.with_nullable(True) for column in ORDERS.schema])
        pq.write_table(rows.select(ORDERS.schema.names).to_arrow().cast(schema), path)
    market = environment.market("de").model_copy(update={"validation": Validation(values="warn")})

    def prepared(folder: str, kills: int) -> tuple[Prepared, int]:
        with connected(endpoints), killed("ray::ReadParquet", lambda: True, times=kills) as pids:
            week = preprocess(lake.root, {"de": market}, AS_OF, tmp_path / folder, lines_per_group=20_000)["de"]
        assert isinstance(week, Prepared), week
        return week, len(pids)

    calm, _ = prepared("calm", 0)
    week, kills = prepared("killed", KILLS)
    left_out = sum(one.rows for one in week.left_out)
    figure(
        f"{kills} workers killed: {delivered:,} rows in = {week.lines_in:,} valid + {left_out:,} left out, of which "
        f"{bad:,} were bad; training table as without a kill: {tables(week) == tables(calm)}"
    )
    assert kills > 0, "the test's own: nothing was killed"
    assert (week.lines_in + left_out, left_out) == (delivered, bad)
    assert tables(week) == tables(calm)


def tables(week: Prepared) -> list[bytes]:
    """What was made of the rows, byte by byte."""
    folders = (week.training_path, week.customers_path, week.articles_path)
    return [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
