"""`fitwave audit`: who changed roles and keys, and when: the ledger's entries and the keys' changes in one list."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from libs.base.environment import Environment, load_environment

if TYPE_CHECKING:
    from libs.base.key_changes import KeyChange
    from libs.models.ledger import Entry

app = App(name="audit", help="Who changed roles of models and API keys, and when.")


@dataclass(frozen=True)
class Act:
    """One line. `by` is null in what earlier releases wrote down."""

    at: datetime
    by: str | None
    action: str
    subject: str
    detail: str


@app.default
def audit(
    *,
    since: Annotated[timedelta | None, Parameter(help="Only the last so many days or hours, as 7d.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="One JSON object a line.")] = False,
    environment: Annotated[
        str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")
    ] = None,
) -> None:
    """Show every change of a model's role and of an API key, oldest first, with who made it."""
    acts = sorted(_acts(load_environment(environment)), key=lambda act: act.at)
    if since is not None:
        begin = datetime.now(UTC) - since
        acts = [act for act in acts if act.at >= begin]
    if as_json:
        for act in acts:
            print(json.dumps(asdict(act) | {"at": act.at.isoformat(timespec="milliseconds")}))
    else:
        _show(acts)


def _acts(settings: Environment) -> Iterator[Act]:
    from libs.base.endpoints import resolve
    from libs.base.key_store import KeyStore
    from libs.models.ledger import Ledger

    ledger = Ledger(settings.home)
    for market in ledger.markets():
        yield from map(_of_role, ledger.entries(market))
    yield from map(_of_key, KeyStore(resolve(settings).redis_url, settings.name).changes())


def _of_role(entry: "Entry") -> Act:
    at = datetime.fromisoformat(entry.at)
    return Act(at, entry.by, entry.action, f"{entry.market} v{entry.version}", entry.reason)


def _of_key(change: "KeyChange") -> Act:
    return Act(change.at, change.by, f"{change.action} key", change.key_id, change.told)


def _show(acts: list[Act]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("at (UTC)", no_wrap=True), "by", "action", Column("of", no_wrap=True), "what")
    for act in acts:
        # What people wrote may look like markup, or move a terminal's cursor: no line passes for another.
        told = (f"{act.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", act.by or "", act.action, act.subject, act.detail)
        table.add_row(*(Text("".join(one if one.isprintable() else "\ufffd" for one in text)) for text in told))
    Console().print(table)
