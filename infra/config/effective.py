"""The config of an environment as YAML that can be read back: what its files say, or every value with its origin."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from libs.base.config_file import ConfigFile, Place, read_file
from libs.base.environment import FROM_PROCESS, Environment, environment_folder
from libs.base.secrets import masked

Origin = Callable[[Place], str]


def as_written(environment: Environment, market: str | None = None, root: Path | None = None) -> str:
    """What the files say, one YAML document each, without passwords.

    Raises:
        DataError: there is no such market.
    """
    documents = [
        f"---\n# {file.path}\n{file.path.read_text(encoding='utf-8')}" for file in _files(environment, market, root)
    ]
    return masked("".join(documents))


def effective(environment: Environment, market: str | None = None, root: Path | None = None) -> str:
    """Every value, with where it comes from beside it: a line of a file, an environment variable, or the default.

    Raises:
        DataError: there is no such market.
    """
    if market is not None:
        [file] = _files(environment, market, root)
        return _yaml(environment.market(market).model_dump(mode="json"), _origin(file))
    folder = environment_folder(environment.name, root)
    own = _origin(read_file(folder / "environment.yaml"))
    markets = {
        name: _origin(file) for name, file in zip(environment.markets, _market_files(environment, folder), strict=True)
    }

    def origin(place: Place) -> str:
        if place[0] == "markets":
            return markets[str(place[1])](place[2:])
        return FROM_PROCESS[str(place[0])] if _is_from_process(place) else own(place)

    return _yaml(environment.model_dump(mode="json"), origin)


def _files(environment: Environment, market: str | None, root: Path | None) -> list[ConfigFile]:
    folder = environment_folder(environment.name, root)
    if market is not None:
        return [read_file(folder / "markets" / f"{environment.market(market).name}.yaml")]
    return [read_file(folder / "environment.yaml"), *_market_files(environment, folder)]


def _market_files(environment: Environment, folder: Path) -> list[ConfigFile]:
    return [read_file(folder / "markets" / f"{name}.yaml") for name in environment.markets]


def _is_from_process(place: Place) -> bool:
    variable = FROM_PROCESS.get(str(place[0]))
    return variable is not None and bool(os.environ.get(variable))


def _origin(file: ConfigFile) -> Origin:
    """Where a file says a value; a name is its own name."""
    shown = file.path.name

    def origin(place: Place) -> str:
        if place == ("name",):
            return "the name of the file" if file.path.parent.name == "markets" else "the name of the folder"
        return f"{shown}:{file.lines[place]}" if place in file.lines else "default"

    return origin


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
