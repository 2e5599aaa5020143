"""Change a few values of a market's config file and leave every other character of it as people wrote it."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from libs.base.config_files import layers
from libs.base.environment import environment_folder, load_from
from libs.base.errors import DataError

_Edit = tuple[int, int, str]


def store_training(environment: str, market: str, values: Mapping[str, int | float], root: Path | None = None) -> Path:
    """Set values under `training:` in a market's file; returns the file. A branch's environment has a file of its own,
    which is laid over the committed one.

    The new text is first loaded as a part of the whole environment, then takes the old one's place in one step:
    whatever fails or is interrupted leaves the old file.

    Raises:
        DataError: the file is written in a way that cannot be edited line by line, the values are not valid, or
            somebody else changed it meanwhile.
    """
    folders = layers(environment, root)
    path = (environment_folder(environment, root) / "markets" / f"{market}.yaml").resolve()
    if len(folders) > 1:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    old = path.read_bytes()
    try:
        new = with_values(old.decode("utf-8"), "training", values)
    except DataError as error:
        raise DataError(f"{path}: {error} Write the values there yourself: {_flow(values)}") from error
    _check(environment, folders, path.name, new)
    _replace(path, old, new.encode("utf-8"))
    return path


def with_values(text: str, section: str, values: Mapping[str, int | float]) -> str:
    """The YAML text with these values under a key of its top level.

    Raises:
        DataError: the section is an alias, or something else than keys and values.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    newline = "\r\n" if "\r\n" in text else "\n"
    if root is None:
        edits = [_appended(text, section, values, newline)]
    elif not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise DataError("the file does not hold one key a line at its top level.")
    else:
        found = [(key, node) for key, node in root.value if key.value == section]
        edits = _in_section(text, *found[-1], values, newline) if found else [_appended(text, section, values, newline)]
    edited = text
    for start, end, replacement in sorted(edits, reverse=True):
        edited = edited[:start] + replacement + edited[end:]
    _require_only(text, edited, section, values)
    return edited


def _in_section(
    text: str, key: yaml.Node, node: yaml.Node, values: Mapping[str, int | float], newline: str
) -> list[_Edit]:
    if node.start_mark.index < key.end_mark.index:
        raise DataError(f"{key.value!r} is an alias, and a change would be one of its other uses too.")
    if isinstance(node, yaml.ScalarNode):
        space = "" if node.value else " "
        return [(node.start_mark.index, node.end_mark.index, space + _flow(values))]
    if not isinstance(node, yaml.MappingNode):
        raise DataError(f"{key.value!r} does not hold keys and values.")
    present = {one.value: value for one, value in node.value}
    edits = [
        (present[name].start_mark.index, present[name].end_mark.index, _show(value))
        for name, value in values.items()
        if name in present
    ]
    missing = {name: value for name, value in values.items() if name not in present}
    return edits + ([_added(text, node, missing, newline)] if missing else [])


def _added(text: str, node: yaml.MappingNode, missing: Mapping[str, int | float], newline: str) -> _Edit:
    if node.flow_style:
        brace = node.end_mark.index - 1
        before = text[:brace].rstrip()
        comma = "" if before.endswith(("{", ",")) else ", "
        return len(before), len(before), comma + _flow(missing)[1:-1]
    last = node.value[-1][1].end_mark.index
    line_end = text.find("\n", last)
    at = len(text) if line_end < 0 else line_end - (newline == "\r\n")
    indent = " " * node.value[0][0].start_mark.column
    return at, at, "".join(f"{newline}{indent}{name}: {_show(value)}" for name, value in missing.items())


def _appended(text: str, section: str, values: Mapping[str, int | float], newline: str) -> _Edit:
    lines = [f"{section}:", *(f"  {name}: {_show(value)}" for name, value in values.items())]
    gap = "" if not text else newline if text.endswith("\n") else 2 * newline
    return len(text), len(text), gap + newline.join(lines) + newline


def _require_only(old: str, new: str, section: str, values: Mapping[str, int | float]) -> None:
    before = yaml.safe_load(old) or {}
    try:
        after = yaml.safe_load(new)
    except yaml.YAMLError as error:
        raise DataError(f"{section!r} is written in a way that cannot be edited ({error}).") from error
    if after != before | {section: (before.get(section) or {}) | dict(values)}:
        raise DataError(f"{section!r} is written in a way that cannot be edited.")


def _flow(values: Mapping[str, int | float]) -> str:
    return "{" + ", ".join(f"{name}: {_show(value)}" for name, value in values.items()) + "}"


def _show(value: int | float) -> str:
    return str(yaml.safe_dump(value)).splitlines()[0]


def _check(environment: str, folders: Sequence[Path], file: str, text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fitwave-config-") as root:
        copy = Path(root) / environment
        shutil.copytree(folders[-1], copy)
        (copy / "markets" / file).write_bytes(text.encode("utf-8"))
        load_from(environment, [*folders[:-1], copy])


def _replace(path: Path, old: bytes, new: bytes) -> None:
    # In the same folder, so that it can be renamed over the old one; not `*.yaml`, which would be read as a market.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(path, temporary)
            if path.read_bytes() != old:
                raise DataError(f"{path} was changed by somebody else meanwhile; nothing is stored. Run it again.")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
