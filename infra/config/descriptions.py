"""What the models of the config say of themselves: the text of each class, and of each field from its `Attributes:`."""

import inspect
import re

from libs.base.frozen import Frozen

_HEADING = "Attributes:"
_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


def summary(model: type[Frozen]) -> str:
    """What is said of the model as a whole."""
    return _text(model).partition(_HEADING)[0].strip()


def fields(model: type[Frozen]) -> dict[str, str]:
    """What is said of each field, by the model or by one that it is made from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Frozen) and one is not Frozen:
            found |= _attributes(one)
    return found


def _attributes(model: type[Frozen]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in _text(model).partition(_HEADING)[2].splitlines():
        start = _ATTRIBUTE.match(line)
        if start:
            name, found[start[1]] = start[1], start[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return found


def _text(model: type[Frozen]) -> str:
    return inspect.cleandoc(model.__dict__.get("__doc__") or "")
