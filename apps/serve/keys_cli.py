"""`fitwave keys`: create, rotate, list and revoke the API keys of an environment."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from libs.base.api_keys import ApiKey
    from libs.base.key_store import KeyStore

app = App(name="keys", help="API keys: create, rotate, list, revoke.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def create(
    *,
    name: Annotated[str, Parameter(help="Whose key it is.")],
    market: Annotated[list[str] | None, Parameter(name="--market", help="A market; several times if need be.")] = None,
    all_markets: Annotated[bool, Parameter(negative="", help="Every market, also those still to come.")] = False,
    scope: Annotated[
        list[Literal["recommend", "markets", "console", "operate"]] | None,
        Parameter(
            name="--scope",
            help="What it may be used for: recommend, markets; console, and operate for rollback there. "
            "Default: recommend and markets.",
        ),
    ] = None,
    expires: Annotated[timedelta | None, Parameter(help="After which it is refused, as 90d. Default: never.")] = None,
    environment: EnvironmentName = None,
) -> None:
    """Create a key and show it, this once."""
    from libs.base.api_keys import SHOP_SCOPES

    settings = load_environment(environment)
    markets = _chosen(settings, market or [], all_markets)
    key_id, text = _store(settings).create(markets, frozenset(scope or SHOP_SCOPES), name, expires)
    print(text)
    Console(stderr=True).print(f"Key {key_id} of {name!r}. It is not stored and cannot be shown again: keep it now.")


@app.command
def rotate(
    key_id: str,
    *,
    keep: Annotated[timedelta, Parameter(help="How long the old key stays valid beside the new one, as 24h or 7d.")],
    environment: EnvironmentName = None,
) -> None:
    """Create a key for the same use and show it, this once; the old one goes on for a while."""
    old, text = _store(load_environment(environment)).rotate(key_id, keep)
    print(text)
    console = Console(stderr=True)
    console.print(f"Key {old.followed_by} of {old.name!r}. It is not stored and cannot be shown again: keep it now.")
    console.print(f"{old.key_id} {_until(old)} (UTC).")


@app.command(name="list")
def list_keys(*, environment: EnvironmentName = None) -> None:
    """List all keys, without their secrets."""
    table = Table(Column("key id", no_wrap=True), "name", "markets", "scopes", "created", "until")
    for key in _store(load_environment(environment)).all_keys():
        markets = "all" if key.markets is None else ", ".join(sorted(key.markets))
        row = (key.key_id, escape(key.name), markets, ", ".join(sorted(key.scopes)), _at(key.created_at), _until(key))
        table.add_row(*row)
    Console().print(table)


@app.command
def revoke(key_id: str, *, environment: EnvironmentName = None) -> None:
    """Revoke a key; gateways refuse it within a second."""
    key = _store(load_environment(environment)).revoke(key_id)
    print(f"{key.key_id} of {key.name!r} is revoked")


def _until(key: "ApiKey") -> str:
    if key.revoked_at is not None:
        return f"revoked {_at(key.revoked_at)}"
    expires = "" if key.expires_at is None else f"expires {_at(key.expires_at)}"
    return f"{expires}, then {key.followed_by}" if key.followed_by else expires


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _store(settings: Environment) -> "KeyStore":
    from libs.base.endpoints import resolve
    from libs.base.key_store import KeyStore

    return KeyStore(resolve(settings).redis_url, settings.name)


def _chosen(settings: Environment, markets: list[str], all_markets: bool) -> frozenset[str] | None:
    if bool(markets) == all_markets:
        raise DataError("say which markets the key is for: --market NAME, once or more, or --all-markets")
    return None if all_markets else frozenset(settings.market(name).name for name in markets)
