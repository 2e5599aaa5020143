"""Features online, in the real Redis: whole refreshes or none, what changed and nothing else."""

import math
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from feast import FeatureStore

import libs.features.refresh as refresh_module
from libs.base import redis_lock
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, Environment, Refreshing
from libs.base.errors import DataError, TransientError
from libs.features.contents import Contents, hashed
from libs.features.definitions import repository, views
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.lookup import OnlineLookup
from libs.features.online import OnlineStore
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.features.refresh import Destination, Refreshed, refresh
from libs.features.sides import SIDES, WRITING, Sides, place
from libs.features.snapshot import Question

PLAN = MarketPlan("de", 400, 80, 400, 2)
AS_OF = cut_off(PLAN, 0)
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


@pytest.fixture(scope="module")
def week(ray_cluster: None, environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    lake = Lake.open(str(tmp_path_factory.mktemp("lake")))
    deliver(lake, PLAN, 0)
    prepared = preprocess(lake.root, {"de": environment.market("de")}, AS_OF, tmp_path_factory.mktemp("run"))["de"]
    assert isinstance(prepared, Prepared)
    return prepared


@pytest.fixture
def destination(endpoints: Endpoints, tmp_path: Path) -> Destination:
    """An environment of the test's own in the session's Redis."""
    return Destination(f"refresh-{tmp_path.name}", tmp_path / "home", endpoints.redis_url)


def altered(
    week: Prepared, folder: Path, customers: pl.Expr | None = None, articles: pl.Expr | None = None
) -> Prepared:
    """The same week with other features in its tables."""
    for kind, change in (("customers", customers), ("articles", articles)):
        table = pl.read_parquet(getattr(week, f"{kind}_path"))
        (folder / kind).mkdir(parents=True)
        (table if change is None else table.with_columns(change)).write_parquet(folder / kind / "0000.parquet")
    return replace(week, customers_path=str(folder / "customers"), articles_path=str(folder / "articles"))


def without_first_customer(week: Prepared, folder: Path) -> Prepared:
    """The same week after a customer has gone."""
    changed = altered(week, folder)
    pl.read_parquet(week.customers_path)[1:].write_parquet(folder / "customers" / "0000.parquet")
    return changed


def done(destination: Destination, week: Prepared, min_coverage: float = 0.98) -> Refreshed:
    result = refresh(destination, [week], {"de": min_coverage})["de"]
    assert isinstance(result, Refreshed)
    return result


def sides_of(destination: Destination, clock: Callable[[], float] = time.monotonic) -> Sides:
    return Sides(destination.redis_url, destination.environment, clock)


def store_of(destination: Destination) -> OnlineStore:
    return OnlineStore.open(destination.environment, destination.home, destination.redis_url)


def lookup_of(destination: Destination, clock: Callable[[], float] = time.monotonic) -> OnlineLookup:
    return OnlineLookup(store_of(destination), views(), sides_of(destination, clock))


def comparable(values: dict[str, Any]) -> dict[str, Any]:
    """The same values, with a text where a number is not one: NaN equals nothing, not even itself."""
    lists = {name: value for name, value in values.items() if isinstance(value, list)}
    return values | {name: ["NaN" if value != value else value for value in found] for name, found in lists.items()}


def online(destination: Destination, week: Prepared) -> dict[str, dict[str, Any]]:
    """Every live row of the week's customers and articles, by id."""
    place = sides_of(destination).require_live("de").place
    found: dict[str, dict[str, Any]] = {}
    for view, path, key in (
        (views().customers, week.customers_path, "customer_id"),
        (views().articles, week.articles_path, "article_id"),
    ):
        ids = pl.read_parquet(path)[key].to_list()
        rows = store_of(destination).read(view, place, ids)
        found |= {one: comparable(row.values) for one, row in zip(ids, rows, strict=True) if row is not None}
    return found


def computed(week: Prepared) -> dict[str, dict[str, Any]]:
    """What `online` has to be."""
    feast_views = views()
    found: dict[str, dict[str, Any]] = {}
    for view, path, key in (
        (feast_views.customers, week.customers_path, "customer_id"),
        (feast_views.articles, week.articles_path, "article_id"),
    ):
        names = [field.name for field in view.features]
        for row in pl.read_parquet(path).iter_rows(named=True):
            found[row[key]] = comparable({name: row[name] for name in names})
    return found


def test_what_is_read_is_what_was_computed_of_every_customer_and_article(
    destination: Destination, week: Prepared
) -> None:
    result = done(destination, week)
    assert (result.customers, result.articles, result.coverage) == (week.customers, week.articles, 1.0)
    told = [
        row["history_position"] or [size for size in row["body_positions"] if not math.isnan(size)]
        for row in pl.read_parquet(week.customers_path).iter_rows(named=True)
    ]
    assert 0 < result.unknown_customers == told.count([]) < week.customers
    assert online(destination, week) == computed(week)
    live = sides_of(destination).require_live("de")
    assert live.as_of == AS_OF
    assert timedelta(0) <= datetime.now(UTC) - live.since < timedelta(minutes=1)


def test_feast_itself_reads_the_same(destination: Destination, week: Prepared) -> None:
    done(destination, week)
    place = sides_of(destination).require_live("de").place
    store = FeatureStore(config=repository(destination.environment, destination.home, destination.redis_url))
    expected = computed(week)
    for view, path, key in (
        (views().customers, week.customers_path, "customer_id"),
        (views().articles, week.articles_path, "article_id"),
    ):
        names = [field.name for field in view.features]
        for entity in pl.read_parquet(path)[key].head(20):
            answer = store.get_online_features(
                [f"{view.name}:{name}" for name in names], [{"market": place, key: entity}]
            ).to_dict()
            assert comparable({name: answer[name][0] for name in names}) == expected[entity]


def test_unknown_ids_and_a_market_without_a_refresh_are_not_found(destination: Destination, week: Prepared) -> None:
    lookup = lookup_of(destination)
    article = pl.read_parquet(week.articles_path)["article_id"].item(0)
    assert lookup.look_up("us", [Question("x", article)]).known == []
    done(destination, week)
    questions = [Question("nobody", article), Question("de-c0000001", "nothing"), Question("*", "*")]
    assert lookup.look_up("de", questions).known == [0]


def test_only_what_changed_is_written_and_who_is_gone_is_removed(
    destination: Destination, week: Prepared, tmp_path: Path
) -> None:
    everything = week.customers + week.articles
    assert [done(destination, week).written for _ in range(3)] == [everything, everything, 0]
    first = pl.read_parquet(week.customers_path)["customer_id"].item(0)
    taller = altered(
        week,
        tmp_path / "taller",
        customers=pl.when(pl.col("customer_id") == first).then(250.0).otherwise("height_cm").alias("height_cm"),
    )
    result = done(destination, taller)
    assert (result.written, result.removed) == (1, 0)
    assert online(destination, taller) == computed(taller)
    # The other side is of two refreshes ago: it has to learn both, that she grew and that she went.
    left = without_first_customer(taller, tmp_path / "left")
    result = done(destination, left)
    assert (result.written, result.removed) == (0, 1)
    assert online(destination, taller) == computed(left)


def test_a_store_that_lost_its_rows_gets_all_of_them_again(destination: Destination, week: Prepared) -> None:
    done(destination, week)
    done(destination, week)
    sides = sides_of(destination)
    sides.set_contents("de", "a", WRITING)
    assert done(destination, week).written == week.customers + week.articles
    assert online(destination, week) == computed(week)


def test_digests_with_other_columns_are_of_another_release_and_not_believed(
    destination: Destination, tmp_path: Path
) -> None:
    sides, customers = sides_of(destination), hashed(pl.DataFrame({"customer_id": ["c1"]}), "customer_id")
    Contents({"customers": customers}).save(tmp_path, sides, "zz", "a")
    kept = Contents.load(tmp_path, sides, "zz", "a", {"customers": "customer_id"})
    assert kept is not None and kept.rows["customers"].equals(customers)
    (file,) = (tmp_path / "online").rglob("*.arrow")
    customers.with_columns(more=1).write_ipc(file)
    assert Contents.load(tmp_path, sides, "zz", "a", {"customers": "customer_id"}) is None


def test_no_request_sees_half_of_a_refresh(destination: Destination, week: Prepared, tmp_path: Path) -> None:
    """Customers and articles of each week carry its number; whoever reads both must find the same one."""
    weeks = [
        altered(
            week,
            tmp_path / str(number),
            pl.lit(float(number)).alias("height_cm"),
            pl.lit(float(number)).alias("size_step"),
        )
        for number in range(1, 5)
    ]
    customers = pl.read_parquet(week.customers_path)["customer_id"].head(40).to_list()
    articles = pl.read_parquet(week.articles_path)["article_id"].head(40).to_list()
    done(destination, weeks[0])
    ended, seen = threading.Event(), []

    def read() -> None:
        lookup = lookup_of(destination)
        while not ended.is_set():
            found = lookup.look_up("de", [Question(c, a) for c, a in zip(customers, articles, strict=True)]).requests
            seen.append((len(found.chosen), {*found.values["height_cm"].tolist(), *found.values["size_step"].tolist()}))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for one in weeks[1:]:
            done(destination, one)
    finally:
        time.sleep(0.7)  # a reader may be so late
        ended.set()
        reader.join()
    assert {count for count, _ in seen} == {40}
    assert all(len(numbers) == 1 for _, numbers in seen)
    assert seen[-1][1] == {4.0}
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("where", "step"),
    [
        (refresh_module, "_clear"),
        (OnlineStore, "delete"),
        (OnlineStore, "count"),
        (Contents, "save"),
        (Sides, "make_live"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refresh_that_dies_changes_nothing_and_the_next_one_heals_it(
    destination: Destination, week: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, step: str
) -> None:
    for _ in range(2):
        done(destination, week)
    before = online(destination, week)
    if step == "_clear":
        sides_of(destination).set_contents("de", "a", WRITING)
    newer = without_first_customer(altered(week, tmp_path / "w", pl.lit(1.0).alias("height_cm")), tmp_path / "n")

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit(step)

    with monkeypatch.context() as patched:
        patched.setattr(where, step, die)
        with pytest.raises(SystemExit):
            refresh(destination, [newer])
    assert online(destination, week) == before
    done(destination, newer)
    assert online(destination, week) == computed(newer)


@pytest.mark.timeout(600)
@pytest.mark.row("14", "a refresh is killed at 10 points and run again", "as an uninterrupted run; 0 torn rows")
@pytest.mark.parametrize(
    "percent", [pytest.param(one, marks=[] if one == 50 else pytest.mark.slow) for one in range(0, 100, 10)]
)
def test_a_refresh_that_is_killed_is_never_seen_and_the_next_one_heals_it(
    figure: Callable[[str], None],
    destination: Destination,
    endpoints: Endpoints,
    week: Prepared,
    tmp_path: Path,
    percent: int,
) -> None:
    for _ in range(2):
        done(destination, week)
    before, filled = online(destination, week), sides_of(destination).require_live("de")
    other = place("de", next(side for side in SIDES if side != filled.side))
    newer = without_first_customer(altered(week, tmp_path / "w", pl.lit(1.0).alias("height_cm")), tmp_path / "n")
    customers = pl.read_parquet(newer.customers_path)["customer_id"].to_list()
    slow = replace(destination, refreshing=Refreshing(rest=50.0))
    told = tmp_path / "told.pickle"
    told.write_bytes(pickle.dumps((endpoints, slow, newer, 2.0)))
    process = subprocess.Popen([sys.executable, "-m", "tests.refresh_process", str(told)], cwd=REPOSITORY)

    def reached() -> bool:
        rows = store_of(destination).read(views().customers, other, customers)
        written = sum(row is not None and row.values["height_cm"] == 1.0 for row in rows)
        began = sides_of(destination).contents("de", other.partition("@")[2]) == WRITING
        return began and written >= percent / 100 * len(customers)

    try:
        deadline = time.monotonic() + 240
        while not reached():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert online(destination, week) == before
    assert sides_of(destination).require_live("de") == filled
    wanted, torn, written = computed(newer), 0, 0
    for one, row in zip(customers, store_of(destination).read(views().customers, other, customers), strict=True):
        assert row is not None
        written += (found := comparable(row.values)) == wanted[one]
        torn += found not in (wanted[one], before[one])
    figure(f"killed when {written} of {len(customers)} customers were written: {torn} rows torn")
    assert torn == 0
    done(destination, newer)
    uninterrupted = replace(destination, environment=f"{destination.environment}-2", home=tmp_path / "home-2")
    done(uninterrupted, newer)
    assert online(destination, week) == online(uninterrupted, newer) == wanted


def test_too_little_coverage_keeps_the_features_of_before(
    destination: Destination, week: Prepared, tmp_path: Path
) -> None:
    done(destination, week)
    before = online(destination, week)
    newer = altered(week, tmp_path / "newer", pl.lit(1.0).alias("height_cm"))
    failed = refresh(destination, [newer], {"de": 1.01})["de"]
    assert isinstance(failed, Failed)
    assert (
        "only 100.0% of customers and 100.0% of articles have online features, the market needs 101.0%" in failed.reason
    )
    assert online(destination, week) == before


def test_an_older_week_never_overwrites_a_newer_one(destination: Destination, week: Prepared) -> None:
    done(destination, week)
    before = sides_of(destination).live("de")
    older = replace(week, as_of=(AS_OF - timedelta(weeks=1)).isoformat())
    failed = refresh(destination, [older])["de"]
    assert isinstance(failed, Failed)
    assert "the live features are of 2026-07-06T00:00:00+00:00, later than those of 2026-06-29" in failed.reason
    assert sides_of(destination).live("de") == before


def test_one_refresh_of_a_market_at_a_time(
    destination: Destination, week: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", 0.5)
    sides = sides_of(destination)
    with (
        sides.refreshing("de"),
        pytest.raises(TransientError, match=r"market 'de': another refresh is at work"),
    ):
        refresh(destination, [week])
    assert sides.live("de") is None
    assert done(destination, week).coverage == 1.0


def test_a_refresh_that_stood_still_makes_nothing_live(destination: Destination) -> None:
    sides = sides_of(destination)
    with sides.refreshing("de") as held:
        held.require("the refresh")
        held.lock.redis.delete(held.lock.name)  # as it is once its time has run out
        with pytest.raises(TransientError, match="stood still"):
            held.require("the refresh")


def test_an_article_is_kept_until_the_next_refresh(destination: Destination, week: Prepared, tmp_path: Path) -> None:
    done(destination, week)
    seconds = iter([0.0, 0.4, 0.8])
    lookup = lookup_of(destination, clock=lambda: next(seconds))
    row = pl.read_parquet(week.articles_path).head(1)
    question = [Question("nobody", row["article_id"].item())]

    def steps() -> list[float]:
        return list(lookup.look_up("de", question).requests.values["size_step"])

    before = steps()
    done(destination, altered(week, tmp_path / "wider", articles=pl.col("size_step") + 1.0))
    assert steps() == before, "what is live is believed for half a second"
    assert steps() == [before[0] + 1.0]


def test_redis_away_is_said_before_anything_starts(week: Prepared, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"does not answer.*Is Redis up"):
        refresh(Destination("x", tmp_path, NOWHERE), [week])


def test_redis_away_is_said_and_can_be_tried_again(tmp_path: Path) -> None:
    store, sides, view = OnlineStore.open("x", tmp_path, NOWHERE), Sides(NOWHERE, "x"), views().customers
    row = pl.DataFrame({field.name: [None] for field in view.features})
    for ask in (
        lambda: store.read(view, "de@a", ["c"]),
        lambda: store.write(view, "de@a", ["c"], row, AS_OF),
        lambda: sides.live("de"),
    ):
        with pytest.raises(TransientError, match="Is Redis up"):
            ask()


def test_a_market_without_features_is_said(destination: Destination) -> None:
    with pytest.raises(DataError, match="market 'de' has no features online yet"):
        sides_of(destination).require_live("de")
