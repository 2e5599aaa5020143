"""The config of an environment as YAML that can be read back: what its files say, or every value with its origin."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from libs.base.checked_yaml import Place, Said
from libs.base.environment import Environment, Sources
from libs.base.secrets import masked

Origin = Callable[[Place], str]

_DEFAULT = "default"


def as_written(sources: Sources, market: str | None = None) -> str:
    """What the files say, one YAML document each, without passwords."""
    said = [sources.environment, *sources.markets.values()] if market is None else [sources.markets[market]]
    files = [file for one in said for file in one.files]
    return masked("".join(f"---\n# {file}\n{file.read_text(encoding='utf-8')}" for file in files))


def effective(environment: Environment, sources: Sources, market: str | None = None) -> str:
    """Every value, with where it comes from beside it: a line of a file, an environment variable, or the default.

    Raises:
        DataError: there is no such market.
    """
    if market is not None:
        return _yaml(environment.market(market).model_dump(mode="json"), _origin(sources.markets[market]))
    own = _origin(sources.environment)
    markets = {name: _origin(said) for name, said in sources.markets.items()}

    def origin(place: Place) -> str:
        return markets[str(place[1])](place[2:]) if place[0] == "markets" else own(place)

    return _yaml(environment.model_dump(mode="json"), origin)


def _origin(said: Said) -> Origin:
    return lambda place: said.origins.get(place, _DEFAULT)


def _yaml(values: Mapping[str, Any], origin: Origin) -> str:
    return "\n".join(_lines(values, (), origin)) + "\n"


def _lines(values: Mapping[str, Any], place: Place, origin: Origin) -> Iterator[str]:
    margin = "  " * len(place)
    for key, value in values.items():
        here = (*place, key)
        if isinstance(value, dict) and value:
            yield f"{margin}{_flow(key)}:"
            yield from _lines(value, here, origin)
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield f"{margin}{_flow(key)}:  # {origin(here)}"
            yield from (f"{margin}  - {_flow(one)}" for one in value)
        else:
            yield f"{margin}{_flow(key)}: {_flow(value)}  # {origin(here)}"


def _flow(value: Any) -> str:
    """One value on one line."""
    plain = masked(value) if isinstance(value, str) else value
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
