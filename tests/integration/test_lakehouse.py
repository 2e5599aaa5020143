"""The same deliveries give the same features in every table format, and an earlier version gives the earlier ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.features.generator.deliveries import cut_off, deliver, scramble_returns
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake, LakeVersion
from libs.features.preprocess import Failed, Prepared, preprocess

PLANS = [MarketPlan(name, 400, 80, 400, seed) for name, seed in (("de", 2), ("us", 4))]
AS_OF = cut_off(PLANS[0], 0)
Bytes = dict[str, dict[str, bytes]]


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


def delivered(uri: str) -> Lake:
    lake = Lake.open(uri)
    for plan in PLANS:
        deliver(lake, plan, 0)
        deliver(lake, plan, 1)
    return lake


def features(
    uri: str, environment: Environment, folder: Path, versions: dict[str, LakeVersion] | None = None
) -> tuple[Bytes, dict[str, LakeVersion]]:
    """The files of both markets' tables, and what was read of each market."""
    markets = {name: environment.market(name) for name in ("de", "us")}
    weeks = preprocess(uri, markets, AS_OF, folder, versions)
    files: Bytes = {}
    for name, week in weeks.items():
        assert isinstance(week, Prepared), week
        paths = [Path(getattr(week, f"{kind}_path")) for kind in ("training", "customers", "articles")]
        files[name] = {f"{path.name}/{file.name}": file.read_bytes() for path in paths for file in path.iterdir()}
    return files, {name: week.lake_version for name, week in weeks.items() if isinstance(week, Prepared)}


@pytest.fixture(scope="module")
def from_parquet(ray_cluster: None, environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Bytes:
    folder = tmp_path_factory.mktemp("parquet")
    return features(delivered(f"{folder}/lake").root, environment, folder / "run")[0]


@pytest.mark.parametrize("table_format", ["delta", "iceberg"])
def test_features_are_those_of_parquet_and_those_of_an_earlier_version_come_again(
    from_parquet: Bytes, environment: Environment, tmp_path: Path, table_format: str
) -> None:
    uri = f"{table_format}+{tmp_path}/lake"
    lake = delivered(uri)
    found, versions = features(uri, environment, tmp_path / "first")
    assert found == from_parquet
    assert {name: one.format for name, one in versions.items()} == dict.fromkeys(("de", "us"), table_format)

    scramble_returns(lake, PLANS[0], seed=1)
    changed, later = features(uri, environment, tmp_path / "changed")
    assert changed["de"] != from_parquet["de"]
    assert changed["us"] == from_parquet["us"]
    assert later["de"].tables["returns"] != versions["de"].tables["returns"]
    assert features(uri, environment, tmp_path / "again", versions)[0] == from_parquet


def test_a_parquet_lake_that_has_changed_since_is_refused_for_its_market_alone(
    ray_cluster: None, environment: Environment, tmp_path: Path
) -> None:
    uri = f"{tmp_path}/lake"
    lake = delivered(uri)
    versions = {plan.name: lake.version(plan.name) for plan in PLANS}
    scramble_returns(lake, PLANS[0], seed=1)
    markets = {name: environment.market(name) for name in ("de", "us")}
    weeks = preprocess(uri, markets, AS_OF, tmp_path / "run", versions)
    assert isinstance(weeks["us"], Prepared)
    assert isinstance(weeks["de"], Failed)
    assert "table 'returns' of market 'de' cannot be read as of version" in weeks["de"].reason
