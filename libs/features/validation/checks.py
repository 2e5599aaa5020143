"""The validation gate: a market's week held against what its config declares, and against the week before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.base.errors import DataError
from libs.base.market import Severity, Validation
from libs.features.schema import TABLES, Table
from libs.features.validation.profile import Profile, TableProfile
from libs.features.validation.stability import stability_index
from libs.features.validation.values import Breach

Status = Literal["passed", "warning", "blocked"]


@dataclass(frozen=True)
class Finding:
    """What one check came to: of what, how it was before, how it is, the bound, and the same in words."""

    check: str
    subject: str
    status: Status
    told: str
    value: float
    bound: float
    before: float | None = None


def found(
    check: str, subject: str, severity: Severity, told: str, value: float, bound: float, before: float | None = None
) -> Finding:
    """A finding that is passed when the value is at most the bound, and else what its severity says."""
    status: Status = "passed" if value <= bound else "blocked" if severity == "block" else "warning"
    return Finding(check, subject, status, told, value, bound, before)


def check_profile(
    config: Validation, profile: Profile, before: Profile | None, left_out: Sequence[Breach] = ()
) -> list[Finding]:
    """All checks of a week's tables that are not off; without a week before, only those that need none.

    Raises:
        DataError: the config names a column that cannot be null.
    """
    _require_known(config)
    findings = [
        found("values", f"{breach.table}.{breach.column}", "warn", f"{breach}: left out", breach.rows, 0)
        for breach in left_out
    ]
    if config.references != "off":
        findings.append(_references(config, profile))
    for name, now in profile.tables.items():
        table, then = TABLES[name], before.tables.get(name) if before else None
        if config.volumes != "off":
            findings += _volumes(config, table, now, then)
        if config.null_rates != "off":
            findings += _null_rates(config, table, now, then)
        if config.categories != "off" and then is not None:
            findings += _categories(config, table, now, then)
    return findings


def check_shifts(config: Validation, shifts: Mapping[str, float], prediction: str, against: str) -> list[Finding]:
    """How far the model's inputs, and its answers under the name `prediction`, have moved away from `against`."""
    findings = []
    for name, shift in shifts.items():
        check, severity, bound = (
            ("predictions", config.predictions, config.max_prediction_shift)
            if name == prediction
            else ("features", config.features, config.max_feature_shift)
        )
        if severity != "off":
            told = f"{name} has shifted by {shift:.2f} against {against}, at most {bound:g} is expected"
            findings.append(found(check, name, severity, told, shift, bound))
    return findings


def _require_known(config: Validation) -> None:
    known = {f"{name}.{column.name}" for name, table in TABLES.items() for column in table.schema if column.nullable}
    unknown = sorted(set(config.max_null_rate) - known)
    if unknown:
        raise DataError(
            f"validation.max_null_rate: {', '.join(unknown)} may not be null, or is not there. It can be said of "
            f"{', '.join(sorted(known))}."
        )


def _references(config: Validation, profile: Profile) -> Finding:
    share, bound = profile.unknown_references, config.max_unknown_references
    told = f"{share:.1%} of returns name an order line that is not there, at most {bound:.1%} may"
    return found("references", "returns.line_id", config.references, told, share, bound)


def _volumes(config: Validation, table: Table, now: TableProfile, then: TableProfile | None) -> Iterator[Finding]:
    severity = config.volumes
    if not table.restated and not now.recent:
        yield found("volumes", table.name, severity, f"{table.name}: no row of the last seven days", 1, 0)
    if then is None:
        return
    lost = max(0.0, 1 - now.rows / then.rows) if then.rows else 0.0
    told = f"{table.name}: {now.rows:,} rows, " + (
        f"{lost:.1%} fewer than the {then.rows:,} of the week before" if lost else f"{then.rows:,} the week before"
    )
    yield found("volumes", f"{table.name}, all", severity, told, lost, config.max_lost_rows, then.rows)
    if not table.restated and now.recent and then.recent:
        change = abs(now.recent / then.recent - 1)
        told = f"{table.name}: {now.recent:,} rows of the last seven days, {then.recent:,} in the week before"
        yield found("volumes", f"{table.name}, new", severity, told, change, config.max_volume_change, then.recent)


def _null_rates(config: Validation, table: Table, now: TableProfile, then: TableProfile | None) -> Iterator[Finding]:
    for column, nulls in now.nulls.items():
        name, rate = f"{table.name}.{column}", nulls / max(now.rows, 1)
        if name in config.max_null_rate:
            bound = config.max_null_rate[name]
            told = f"{name} is null in {rate:.1%} of rows, at most {bound:.1%} may be"
            yield found("null_rates", name, config.null_rates, told, rate, bound)
        if then is not None and then.rows:
            earlier = then.nulls.get(column, 0) / then.rows
            told = f"{name} is null in {rate:.1%} of rows, {earlier:.1%} the week before"
            rise = rate - earlier
            yield found(
                "null_rates", f"{name}, rise", config.null_rates, told, rise, config.max_null_rate_rise, earlier
            )


def _categories(config: Validation, table: Table, now: TableProfile, then: TableProfile) -> Iterator[Finding]:
    for column, counts in now.categories.items():
        earlier = then.categories.get(column, {})
        names = sorted({*counts, *earlier})
        expected, here = ([one.get(name, 0) for name in names] for one in (earlier, counts))
        if not sum(expected) or not sum(here):
            continue
        shift = stability_index(expected, here)
        moved = max(names, key=lambda name: abs(counts.get(name, 0) / sum(here) - earlier.get(name, 0) / sum(expected)))
        told = (
            f"{table.name}.{column}: the shares of values have shifted by {shift:.2f}; most of all {moved!r}, from "
            f"{earlier.get(moved, 0) / sum(expected):.1%} to {counts.get(moved, 0) / sum(here):.1%}"
        )
        yield found("categories", f"{table.name}.{column}", config.categories, told, shift, config.max_category_shift)
