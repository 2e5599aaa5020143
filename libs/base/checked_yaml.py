"""YAML of the config: what it says, on which line of which file, and every fault of it in words."""

import difflib
import typing
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from libs.base.errors import DataError
from libs.base.frozen import Frozen
from libs.base.secrets import masked

T = TypeVar("T", bound=Frozen)
Place = tuple[Hashable, ...]

_LONGEST = 80


@dataclass(frozen=True)
class Said:
    """Values, and where each key and list item is said, like `de.yaml:12`, by its place."""

    files: tuple[Path, ...]
    values: Mapping[str, Any]
    origins: Mapping[Place, str]

    @property
    def path(self) -> Path:
        """The file that decides."""
        return self.files[-1]

    def over(self, below: "Said") -> "Said":
        """This laid over what is said below: it decides, key by key at every depth; a list is replaced whole."""
        values = laid_over(below.values, self.values)
        return Said(below.files + self.files, values, {**below.origins, **self.origins})

    def without(self, keys: Sequence[str]) -> "Said":
        """The same without these keys of the top."""
        values = {key: value for key, value in self.values.items() if key not in keys}
        return Said(self.files, values, {place: one for place, one in self.origins.items() if place[0] not in keys})

    def with_values(self, values: Mapping[str, Any], origins: Mapping[str, str]) -> "Said":
        """The same with these values at the top, which somebody else says."""
        said: dict[Place, str] = {(key,): origin for key, origin in origins.items()}
        return Said(self.files, {**self.values, **values}, {**self.origins, **said})


def read_file(path: Path) -> Said:
    """Read a file of keys and values.

    Raises:
        DataError: it is absent, is not YAML, is not keys and values, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        places = [] if root is None else list(_places(root, ()))
    except FileNotFoundError:
        raise DataError(f"{path} is absent: every environment has one") from None
    # ValueError: no UTF-8, or a date or number that there is none of. RecursionError: brackets beyond Python's stack,
    # or what holds itself.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not YAML: {error}") from error
    if root is None:
        return Said((path,), {}, {})
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold keys and values at the top, not a {type(content).__name__}")
    lines: dict[Place, int] = {}
    for place, line in places:
        if place in lines:
            # YAML takes the last one, and nobody sees that the first says nothing.
            raise DataError(f"{path}, line {line}: {_dotted(place)} is there twice, first on line {lines[place]}")
        lines[place] = line
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return Said((path,), content, {place: f"{shown}:{line}" for place, line in lines.items()})


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            yield from _places(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _places(value, (*place, index))


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What is above decides, key by key at every depth; a list is replaced whole."""
    both = {
        key: laid_over(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return {**below, **both}


def build(model: type[T], said: Said) -> T:
    """The model of what is said.

    Raises:
        DataError: it breaks the model; each fault is told with its line, its key, what was got and what is allowed.
    """
    try:
        return model.model_validate(said.values)
    except ValidationError as error:
        faults = "\n".join(_fault(model, one, said) for one in error.errors())
        raise DataError(f"{said.path} is not a valid {model.__name__.lower()} config:\n{faults}") from error


def _fault(model: type[Frozen], fault: ErrorDetails, said: Said) -> str:
    written = _written(fault["loc"], said)
    origin = f"{said.origins[written]}: " if written else ""
    got = masked(f"{fault['input']!r}")
    message = fault["msg"]
    if fault["type"] == "extra_forbidden":
        message = f"unknown key; {_instead(model, fault['loc'])}"
    elif fault["type"] == "missing":
        written = (*written, fault["loc"][-1])
    return f"  {origin}{_dotted(written) or _dotted(fault['loc']) or '(top)'}: {message} (got {got:.{_LONGEST}})"


def _written(place: Place, said: Said) -> Place:
    """The part of a fault's place that somebody has written: pydantic adds which kind of a choice was meant."""
    found: Place = ()
    for part in place:
        if (*found, part) in said.origins:
            found = (*found, part)
    return found


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _instead(model: type[Frozen], place: Place) -> str:
    """The key that was probably meant, or those that there are."""
    holder: Any = model
    for part in place[:-1]:
        holder = _step(holder, part)
    known = list(holder.model_fields)
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _step(annotation: Any, part: Hashable) -> Any:
    """The type of a part of a type: of a field, an item, a value, or one kind of a choice."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _step(arguments[0], part)
    if origin in (typing.Union, UnionType):
        kinds = [one for one in arguments if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else next(kind for kind in kinds if _names(kind, part))
    found = arguments[origin is dict] if arguments else annotation.model_fields[str(part)].annotation
    return _step(found, part) if _is_optional(found) else found


def _is_optional(annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    return NoneType in arguments and len(arguments) == 2


def _names(kind: type[Frozen], tag: Hashable) -> bool:
    """Whether a kind of a choice is the one that this tag stands for."""
    return any(tag in typing.get_args(field.annotation) for field in kind.model_fields.values())
