"""Whatever stands in a file or in Redis, who reads it says that it is wrong and where, and nothing else is raised."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.trainer.queue import Entry as QueueEntry
from libs.base.checked_yaml import read_file
from libs.base.endpoints import resolve
from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError
from libs.base.key_store import decode
from libs.base.market import Market
from libs.features.lake import Lake
from libs.features.renttherunway import read_rentals
from libs.features.schema import ORDERS
from libs.features.sides import Live
from libs.features.validation.profile import Profile
from libs.models.distributions import DISTRIBUTIONS_FILE, Distributions
from libs.models.fingerprint import CARD_FILE
from libs.models.ledger import Ledger
from libs.models.package import windows_of
from libs.models.pair_log import read_counts
from tests.parquet_files import parquet_folder

_DEEP = 100_000
# Each breaks another decoder, or the one after it.
_BYTES = [
    b"",
    b"\xff\xfe",
    b"\x00",
    b'"\\ud800"',
    b'{"format": "\\udfff"}',
    b"[" * _DEEP,
    b'{"a":' * 5_000,
    b"- " * 2_000,
    b"1" * 5_000,
    b'{"format": ' + b"9" * 5_000 + b"}",
    b'{"format": 1e999}',
    b'{"format": NaN}',
    b'{"format": null}',
    b'{"format": [1]}',
    b'{"format": 3, "format": 2}',
    b"a: 1\na: 2",
    b"{[1]: 2}",
    b"? {a: 1}\n: 2",
    b"at: 2026-99-99",
    b"a: &a [*a]",
    b"<<: 1",
    b"!!python/object:os.system {}",
    b"markets: {de: .nan}",
    b"serving: {gateway: {timeout_s: .inf, port: 99999999999999999999}}",
    b"\xef\xbb\xbf{}",
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("format"), inner, max_size=3),
    max_leaves=8,
)
_CONTENT = (
    st.binary(max_size=200)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.text("abc:-[]{}&*!|>?,#'\"\n \t0123456789.~", max_size=60).map(str.encode)
)


def _environment(folder: Path, content: bytes, file: str) -> None:
    markets = folder / "config" / "main" / "markets"
    markets.mkdir(parents=True, exist_ok=True)
    (markets.parent / "environment.yaml").write_bytes(b"{}")
    (markets / "de.yaml").write_bytes(b"{}")
    (markets.parent / file).write_bytes(content)
    load_environment("main", folder / "config")


def _yaml(folder: Path, content: bytes) -> None:
    (folder / "any.yaml").write_bytes(content)
    read_file(folder / "any.yaml")


def _endpoints(folder: Path, content: bytes) -> None:
    environment = Environment(name="test", state_dir=folder, markets={"de": Market(name="de")})
    environment.home.mkdir(parents=True, exist_ok=True)
    (environment.home / "endpoints.json").write_bytes(content)
    resolve(environment)


def _rentals(folder: Path, content: bytes) -> None:
    (folder / "rentals.json").write_bytes(content)
    read_rentals([folder / "rentals.json"])


def _zipped_rentals(folder: Path, content: bytes) -> None:
    (folder / "rentals.json.gz").write_bytes(content)
    read_rentals([folder / "rentals.json.gz"])


def _ledger(folder: Path, content: bytes) -> None:
    (folder / "ledger" / "de").mkdir(parents=True, exist_ok=True)
    (folder / "ledger" / "de" / "000001.json").write_bytes(content)
    Ledger(folder).entries("de")


def _card(folder: Path, content: bytes) -> None:
    (folder / CARD_FILE).write_bytes(content)
    windows_of(folder)


def _distributions(folder: Path, content: bytes) -> None:
    (folder / DISTRIBUTIONS_FILE).write_bytes(content)
    Distributions.load(folder)


def _profile(folder: Path, content: bytes) -> None:
    (folder / "de").mkdir(exist_ok=True)
    (folder / "de" / "2020-01-06.json").write_bytes(content)
    Profile.before(folder, "de", datetime(2026, 1, 5, tzinfo=UTC))


def _counts(folder: Path, content: bytes) -> None:
    (folder / "counts.json").write_bytes(content)
    read_counts(Lake.open(str(folder)), str(folder / "counts.json"))


def _delivery(folder: Path, content: bytes) -> None:
    lake = Lake.open(str(folder / "lake"))
    part = parquet_folder(lake, ORDERS, "de")
    part.mkdir(parents=True, exist_ok=True)
    (part / "all.parquet").write_bytes(content)
    lake.check(ORDERS, "de")


READERS: dict[str, Callable[[Path, bytes], object]] = {
    "a file of the config": _yaml,
    "environment.yaml": lambda folder, content: _environment(folder, content, "environment.yaml"),
    "a market": lambda folder, content: _environment(folder, content, "markets/de.yaml"),
    "the endpoints": _endpoints,
    "rentals": _rentals,
    "zipped rentals": _zipped_rentals,
    "a ledger entry": _ledger,
    "a package card": _card,
    "distributions": _distributions,
    "a profile": _profile,
    "a pair log's counts": _counts,
    "a delivery": _delivery,
    "a stored key": lambda _, content: decode("0123456789ab", content),
    "what is live": lambda _, content: Live.read(content),
    "a week in the queue": lambda _, content: QueueEntry.read(content),
}


@pytest.mark.parametrize("reader", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_CONTENT)
def test_any_content_is_read_or_told_to_be_wrong(reader: str, tmp_path: Path, content: bytes) -> None:
    try:
        READERS[reader](tmp_path, content)
    except DataError as error:
        assert str(error)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", _BYTES, ids=range(len(_BYTES)))
def test_what_breaks_decoders_is_read_or_told_to_be_wrong(reader: str, content: bytes, tmp_path: Path) -> None:
    try:
        READERS[reader](tmp_path, content)
    except DataError as error:
        assert str(error)
