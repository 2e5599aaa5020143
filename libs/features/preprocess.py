"""Preprocessing of all due markets in a handful of Ray Data passes: a market is a partition, not a job.

1. Blocks of order lines and customers are checked, filtered by business rules and dealt out by customer.
2. Groups of customers meet their lines; what regressions on the body need is added up over all of them.
3. Groups of customers describe their lines, and deal them out by article; the sums of brands, categories and scales
   are added up over all of them.
4. Groups of articles complete the training rows.

A small market is one group and goes through as it is. A group holds so many lines whatever the market has, so that
memory does not grow with the data.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray.data

from libs.base.errors import DataError
from libs.base.market import Market
from libs.base.progress import Progress, Silent
from libs.features.body import BodySizes, BodySums
from libs.features.groups import (
    NOBODY,
    Completed,
    Described,
    Gathered,
    add_up,
    complete,
    describe,
    gather,
    repeated_lines,
)
from libs.features.lake import Lake, LakeVersion
from libs.features.rules import FunnelStep, funnel
from libs.features.schema import CUSTOMERS, ORDERS, RETURNS, TABLES, Table
from libs.features.screening import Dealt, Source, check_dimensions, dealt, screen_customers, screen_lines
from libs.features.shuffle import DayCounts
from libs.features.staging import Staging, read_arrays
from libs.features.validation.profile import Profile, TableProfile
from libs.features.validation.values import Breach, merged
from libs.features.wall import Fault, walled

T = TypeVar("T")
# A market, and which of its parts.
_Part = tuple[str, int]

# Some 1.2 GiB of memory while they are worked on, by each of as many workers as there are cores.
_LINES_PER_GROUP = 250_000


@dataclass(frozen=True)
class Prepared:
    """One market's preprocessed week: what was read, the folders of its tables, and what became of its order lines."""

    market: str
    as_of: str
    read_at: str
    lake_version: LakeVersion
    funnel: list[FunnelStep]
    lines_in: int
    lines_out: int
    labelled: int
    customers: int
    articles: int
    profile: Profile
    left_out: list[Breach]
    training_path: str
    customers_path: str
    articles_path: str


@dataclass(frozen=True)
class Failed:
    """A market that stopped, at which stage, and why; the others went on."""

    market: str
    stage: str
    reason: str


def preprocess(
    lake_uri: str,
    markets: Mapping[str, Market],
    as_of: datetime,
    folder: Path,
    versions: Mapping[str, LakeVersion] | None = None,
    lines_per_group: int = _LINES_PER_GROUP,
    progress: Progress | None = None,
) -> dict[str, Prepared | Failed]:
    """Gather, filter and describe the data of these markets up to `as_of`; the caller is connected to Ray.

    What is delivered while this is at work is not seen; `versions` says by market what to read, if not the lake as it
    is now. Writes `<folder>/<market>/{training,customers,articles}/*.parquet`. A market whose data breaks the schema,
    or of which the rules leave nothing, comes back as `Failed`.
    """
    lake = Lake.open(lake_uri)
    lines: dict[str, int] = {}
    read: dict[str, LakeVersion] = {}
    results: dict[str, Prepared | Failed] = {}
    for name in markets:
        try:
            read[name] = (versions or {}).get(name) or lake.version(name)
            lines[name] = _lines(lake, name, read[name])
        except DataError as error:
            results[name] = Failed(name, "preprocess", str(error))
    # In the folder of a market, so that two runs on other markets may share a folder.
    staging = Staging(folder / next(iter(markets)) / "staging")
    shutil.rmtree(staging.folder, ignore_errors=True)
    try:
        if lines:
            groups = {name: max(1, -(-count // lines_per_group)) for name, count in lines.items()}
            source = Source(lake_uri, dict(markets), as_of, read, groups, staging)
            results = _Run(source, folder, lines, progress or Silent(), results).run(lake)
    finally:
        shutil.rmtree(staging.folder, ignore_errors=True)
    return {name: results[name] for name in markets}


def _lines(lake: Lake, market: str, version: LakeVersion) -> int:
    """How many order lines the market has; what cannot be read, or has other columns, is found here."""
    for table in TABLES.values():
        lake.check(table, market)
    lake.require(market, version)
    return lake.count(ORDERS, market)


@dataclass
class _Run:
    """The passes, and what they have found out so far. A market that failed takes no part in the next pass."""

    source: Source
    folder: Path
    lines: Mapping[str, int]
    progress: Progress
    results: dict[str, Prepared | Failed]
    broken: dict[str, Counter[int]] = field(default_factory=dict)
    profiles: dict[str, dict[str, TableProfile]] = field(default_factory=lambda: defaultdict(dict))
    breaches: dict[str, list[Breach]] = field(default_factory=lambda: defaultdict(list))
    returned: Counter[str] = field(default_factory=Counter)
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self, lake: Lake) -> dict[str, Prepared | Failed]:
        self._check_dimensions()
        customers, lines = self._screen(lake, CUSTOMERS), self._screen(lake, ORDERS)
        self._check_unchanged(lake)
        described = self._describe(self._gather(customers, lines))
        self._complete(described, self._add_up(described))
        return self.results

    def _healthy(self) -> list[str]:
        return [name for name in self.source.groups if name not in self.results]

    def _fail(self, market: str, reason: str) -> None:
        self.results.setdefault(market, Failed(market, "preprocess", reason))

    def _check_dimensions(self) -> None:
        work: dict[_Part, dict[str, Any]] = {(name, 0): {} for name in self._healthy()}
        for (name, _), checked in self._each(check_dimensions, work).items():
            self.profiles[name] |= checked.profiles
            self._leave_out(name, checked.breaches)
            if checked.faults:
                self._fail(name, f"{'; '.join(checked.faults)}. Correct the delivery.")

    def _leave_out(self, market: str, breaches: Sequence[Breach]) -> None:
        """Rows whose values break what is declared end the market's week, or are left out, as its config says."""
        self.breaches[market] += breaches
        if breaches and self.source.markets[market].validation.values == "block":
            told = "; ".join(f"table {one.table!r} of market {market!r}: {one}" for one in breaches)
            self._fail(market, f"{told}. Correct the delivery.")

    def _check_unchanged(self, lake: Lake) -> None:
        """All of the lake has been read by now; a format that keeps no versions may have changed under the readers."""
        for name in self._healthy():
            try:
                lake.require(name, self.source.versions[name])
            except DataError as error:
                self._fail(name, f"{error} Run the week again.")

    def _screen(self, lake: Lake, table: Table) -> dict[str, list[Dealt]]:
        """Pass 1."""
        names = self._healthy()
        if not names:
            return {}
        screen = {CUSTOMERS.name: screen_customers, ORDERS.name: screen_lines}[table.name]
        blocks = lake.dataset(table, {name: self.source.versions[name] for name in names}).map_batches(
            partial(screen, source=self.source), batch_format="pyarrow", batch_size=None
        )
        by_market: dict[str, list[Dealt]] = defaultdict(list)
        rows = sum(lake.count(table, name) for name in names)
        with self.progress.step(f"preprocess: screen {table.name}", rows) as advance:
            for row in blocks.iter_rows():
                [block] = dealt([row])
                by_market[block.market].append(block)
                advance(block.profile.rows)
        for name, found in by_market.items():
            faults = [block.fault for block in found if block.fault is not None]
            if faults:
                self._fail(name, f"table {table.name!r} of market {name!r}: {'; '.join(faults)}. Correct the delivery.")
            self._leave_out(name, merged(breach for block in found for breach in block.breaches))
            self.profiles[name][table.name] = TableProfile.merged(block.profile for block in found)
            self.returned[name] += sum(block.returned for block in found)
        return by_market

    def _gather(
        self, customers: Mapping[str, list[Dealt]], lines: Mapping[str, list[Dealt]]
    ) -> dict[str, list[Gathered]]:
        """Pass 2. What is left of the markets has lines, and each line's key is its own."""
        work = {}
        for name in self._healthy():
            days = DayCounts.merged([DayCounts.from_days(block.days) for block in lines.get(name, [])])
            for group in range(self.source.groups[name]):
                work[name, group] = {
                    "lines": _files(lines.get(name, []), group),
                    "customers": _files(customers.get(name, []), group),
                    "days": days,
                }
        found = _by_market(self._each(gather, work))
        keys = {
            (name, 0): {"lines": [path for block in lines.get(name, []) for path in block.files.values()]}
            for name in self._healthy()
        }
        for (name, _), faults in self._each(repeated_lines, keys).items():
            if faults:
                self._fail(name, f"table 'orders' of market {name!r}: {'; '.join(faults)}. Correct the delivery.")
        self.broken = {name: sum((Counter(one.broken) for one in groups), Counter()) for name, groups in found.items()}
        for name in self._healthy():
            steps = funnel(self.source.markets[name].rules, self.broken[name])
            if not (steps[-1].rows_out if steps else sum(self.broken[name].values())):
                trail = ", ".join(f"{step.rule}: {step.rows_in} -> {step.rows_out}" for step in steps)
                self._fail(
                    name,
                    f"market {name!r} has no order line before {self.source.as_of:%Y-%m-%d} that passes its rules "
                    f"({trail}). Look at the rule that lets nothing through, or at the delivery.",
                )
        return {name: found[name] for name in self._healthy()}

    def _describe(self, gathered: Mapping[str, Sequence[Gathered]]) -> dict[str, list[Described]]:
        """Pass 3."""
        work = {}
        for name, groups in gathered.items():
            for kind in ("training", "customers", "articles"):
                folder = self.folder / name / kind
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            bodies = [
                self._solve(name, [one.body_sums[order] for one in groups]) for order in range(len(groups[0].orders))
            ]
            for group, one in enumerate(groups):
                online = self.folder / name / "customers" / f"{group:04}.parquet"
                work[name, group] = {"gathered": one, "bodies": bodies, "online": online}
        return _by_market(self._each(describe, work))

    def _solve(self, market: str, paths: Sequence[str]) -> BodySizes:
        sums = BodySums.merged([BodySums(**read_arrays(path)) for path in paths])
        return sums.solve(self.source.cut_off(market))

    def _add_up(self, described: Mapping[str, Sequence[Described]]) -> dict[str, list[str]]:
        work = {
            (name, order): {"parts": [one.wide[order] for one in groups]}
            for name, groups in described.items()
            for order in range(len(groups[0].wide))
        }
        return _by_market(self._each(add_up, work))

    def _complete(self, described: Mapping[str, Sequence[Described]], wide: Mapping[str, Sequence[str]]) -> None:
        """Pass 4."""
        work = {
            (name, group): {
                "group": group,
                "orders": [
                    [one.orders[order][of] for one in groups for of in (NOBODY, group) if of in one.orders[order]]
                    for order in range(len(wide[name]))
                ],
                "wide": wide[name],
                "folder": self.folder / name,
            }
            for name, groups in described.items()
            if name in wide
            for group in range(self.source.groups[name])
        }
        for name, parts in _by_market(self._each(complete, work)).items():
            self.results[name] = self._prepared(name, described[name], parts)

    def _prepared(self, name: str, described: Sequence[Described], completed: Sequence[Completed]) -> Prepared:
        steps = funnel(self.source.markets[name].rules, self.broken[name])
        lines = sum(self.broken[name].values())
        return Prepared(
            market=name,
            as_of=self.source.as_of.isoformat(),
            read_at=self.read_at.isoformat(),
            lake_version=self.source.versions[name],
            funnel=steps,
            lines_in=lines,
            lines_out=steps[-1].rows_out if steps else lines,
            labelled=sum(one.labelled for one in completed),
            customers=sum(one.customers for one in described),
            articles=sum(one.articles for one in completed),
            profile=self._profile(name),
            left_out=self.breaches[name],
            training_path=str(self.folder / name / "training"),
            customers_path=str(self.folder / name / "customers"),
            articles_path=str(self.folder / name / "articles"),
        )

    def _profile(self, name: str) -> Profile:
        tables = {table: self.profiles[name][table] for table in TABLES}
        returns = tables[RETURNS.name].rows
        unknown = 1 - self.returned[name] / returns if returns else 0.0
        return Profile(name, self.source.as_of, tables, unknown)

    def _each(self, work: Callable[..., T], items: Mapping[_Part, Mapping[str, Any]]) -> dict[_Part, T]:
        """Do a piece of work for each part of each market, one Ray Data task each, with these arguments.

        A market of which a part fails is `Failed`, and what came of its other parts is left out.
        """
        if not items:
            return {}
        rows = [{"number": number} for number in range(len(items))]
        do = partial(_behind_wall, work=work, source=self.source, items=list(items.items()))
        todo = ray.data.from_items(rows, override_num_blocks=len(rows)).map(do)
        each = Counter(name for name, _ in items)
        lines = [self.lines[name] / each[name] for name, _ in items]
        found = {}
        with self.progress.step(f"preprocess: {work.__name__}", sum(lines)) as advance:
            for row in todo.iter_rows():
                found[row["number"]] = row["result"]
                advance(lines[row["number"]])
        results = {part: found[number] for number, part in enumerate(items)}
        for (name, _), result in results.items():
            if isinstance(result, Fault):
                self._fail(name, result.reason)
        return {part: result for part, result in results.items() if part[0] not in self.results}


def _behind_wall(
    row: dict[str, Any], work: Callable[..., Any], source: Source, items: Sequence[tuple[_Part, Mapping[str, Any]]]
) -> dict[str, Any]:
    (market, _), arguments = items[row["number"]]
    return {"number": row["number"], "result": walled(market, lambda: work(source, market, **arguments))}


def _by_market(results: Mapping[_Part, T]) -> dict[str, list[T]]:
    by_market: dict[str, list[T]] = defaultdict(list)
    for (name, _), result in results.items():
        by_market[name].append(result)
    return by_market


def _files(blocks: Sequence[Dealt], group: int) -> list[str]:
    return [block.files[group] for block in blocks if group in block.files]
