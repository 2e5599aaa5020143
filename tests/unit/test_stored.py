"""What a release before this one has stored is read, and what one after it will store is refused with what to do.

`tests/stored/` was written once, by releases that did not number their formats, and is never written again: a format
that changes gets another file beside it, like those of `of-format-2/`. What is stored nowhere for longer than a run is
not here: docs/upgrading.md.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.trainer.queue import Entry as Week
from libs.base.environment import REPOSITORY
from libs.base.errors import DataError
from libs.base.key_store import decode
from libs.features.lake import Lake
from libs.features.sides import Live
from libs.features.validation.profile import Profile
from libs.models.distributions import PREDICTION, Distributions
from libs.models.ledger import Ledger
from libs.models.live_counts import read_live
from libs.models.pair_log import read_window
from libs.models.traffic import read_traffic

STORED = REPOSITORY / "tests" / "stored"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = "v2-2026-11-16T033000.000Z"


def ledger(folder: Path) -> object:
    return [(entry.action, entry.version) for entry in Ledger(folder / "numbered").entries("de")]


def pairs(folder: Path) -> object:
    rows, counts = read_window(Lake.open(str(folder / "lake")), "de", WINDOW)
    return sorted(rows["request_id"]), counts.requests, counts.expected, counts.killed


def pair_counts(folder: Path) -> object:
    counts = read_window(Lake.open(str(folder / "lake")), "us", WINDOW)[1]
    return counts.requests, counts.expected, counts.customers_sampled, counts.killed


def live_counts(folder: Path) -> object:
    found = read_live(Lake.open(str(folder / "lake")), "de", "2", datetime.fromtimestamp(0, UTC))
    return found.select("at", "requests", "failed", "seconds").rows()


def traffic(folder: Path) -> object:
    looked = read_traffic(Lake.open(str(folder / "lake")), "de", "2", 7, date(2026, 11, 16))
    return looked.questions, looked.counts["confidence"].tolist()


def profile(folder: Path) -> object:
    found = Profile.before(folder / "profiles", "de", MONDAY)
    assert found is not None
    return found.as_of, found.tables["orders"].categories, found.unknown_references


def distributions(folder: Path) -> object:
    found = Distributions.load(folder / "package")
    assert found is not None
    return found.edges[PREDICTION].tolist(), found.counts[PREDICTION].tolist()


def live_side(folder: Path) -> object:
    live = Live.read((folder / "live-side.json").read_bytes())
    return live.place, live.as_of


def week(folder: Path) -> object:
    entry = Week.read((folder / "week.json").read_bytes())
    return entry.key, entry.state, entry.outcome


def api_key(folder: Path) -> object:
    key = decode("an id", (folder / "api-key.json").read_bytes())
    return key.name, key.markets, key.scopes


def canary(folder: Path) -> object:
    [entry] = Ledger(folder / "of-format-2").entries("de")
    return entry.canary_share, entry.by


def key_before_it_could_expire(folder: Path) -> object:
    key = decode("an id", (folder / "of-format-2/api-key.json").read_bytes())
    return key.name, key.ended(MONDAY), key.followed_by


@dataclass(frozen=True)
class Stored:
    """How something stored is read, what a file of it holds, and what to do when it is newer."""

    read: Callable[[Path], object]
    file: str
    holds: object
    remedy: str = "release that wrote it"


ALL = [
    Stored(ledger, "numbered/ledger/de/000003.json", [("first", "1"), ("shadow", "2"), ("promote", "2")]),
    Stored(pairs, f"lake/_pairs/market=de/window={WINDOW}/counts-f72a9ff5d4ad.json", (["r0", "r1"], 3, 2, 0)),
    Stored(pair_counts, f"lake/_pairs/market=us/window={WINDOW}/counts-0123456789ab.json", (40, 12, 9, 0)),
    Stored(
        live_counts,
        "lake/_live/market=de/version=2/7200-0123456789ab.json",
        [(7200, 4, 1, 2.0), (7210, 5, 0, 1.0)],
    ),
    Stored(traffic, "lake/_traffic/market=de/version=2/2026-11-16-0123456789ab.json", (7, [3, 4, 0])),
    Stored(
        profile,
        "profiles/de/2026-11-09T000000Z.json",
        (datetime(2026, 11, 9, tzinfo=UTC), {"channel": {"web": 60, "store": 40}}, 0.01),
        remedy="remove it",
    ),
    Stored(distributions, "package/distributions.json", ([0.5], [3, 4, 0])),
    Stored(live_side, "live-side.json", ("de@a", MONDAY), remedy="refresh the market again"),
    Stored(week, "week.json", ("de@2026-11-16T00:00:00+00:00", "done", "challenger"), remedy="release that queued it"),
    Stored(api_key, "api-key.json", ("web shop", {"de"}, {"recommend"}), remedy="Create it again"),
]

# What had a number already.
NUMBERED = [
    Stored(canary, "of-format-2/ledger/de/000001.json", (0.05, None)),
    Stored(key_before_it_could_expire, "of-format-2/api-key.json", ("web shop", None, None), remedy="Create it again"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(STORED, tmp_path / "stored")
    return tmp_path / "stored"


@pytest.mark.parametrize("stored", ALL, ids=lambda one: one.read.__name__)
def test_what_an_earlier_release_stored_is_read(stored: Stored, folder: Path) -> None:
    assert "format" not in json.loads((folder / stored.file).read_bytes())
    assert stored.read(folder) == stored.holds


@pytest.mark.parametrize("stored", NUMBERED, ids=lambda one: one.read.__name__)
def test_what_an_earlier_release_stored_with_a_number_is_read(stored: Stored, folder: Path) -> None:
    assert json.loads((folder / stored.file).read_bytes())["format"] == 2
    assert stored.read(folder) == stored.holds


@pytest.mark.parametrize("stored", ALL + NUMBERED, ids=lambda one: one.read.__name__)
def test_what_a_later_release_will_store_is_refused_with_what_to_do(stored: Stored, folder: Path) -> None:
    path = folder / stored.file
    values: dict[str, Any] = json.loads(path.read_bytes())
    # A later release has other fields, too.
    path.write_text(json.dumps({"something": "new", **values, "format": 99}))
    with pytest.raises(
        DataError, match=rf"is of format 99, and this release reads formats up to \d+\..*{stored.remedy}"
    ):
        stored.read(folder)


def test_what_this_release_stores_says_its_format(folder: Path) -> None:
    live = Live.read((folder / "live-side.json").read_bytes())
    entry = Week.read((folder / "week.json").read_bytes())
    kept = Profile.before(folder / "profiles", "de", MONDAY)
    own = Distributions.load(folder / "package")
    assert kept is not None and own is not None
    kept.save(folder / "again")
    own.save(folder)
    written = [(folder / "again/de/2026-11-09T000000Z.json").read_text(), (folder / "distributions.json").read_text()]
    assert [json.loads(text)["format"] for text in (live.stored(), entry.stored(), *written)] == [2, 2, 2, 2]
