"""The JSON Schemas of `environment.yaml` and `markets/*.yaml`, with which editors complete, explain and check."""

from collections.abc import Iterator
from typing import Any, get_args

from infra.config.descriptions import fields, summary
from libs.base.environment import REPOSITORY, Environment
from libs.base.frozen import Frozen
from libs.base.market import Market

# Said by the names of folders and files, or written by `fitwave env create`.
_NOT_IN_THE_FILE = {"name", "markets", "branch"}


def environment_schema() -> dict[str, Any]:
    """Of `environment.yaml`."""
    return _schema(Environment, "environment.yaml")


def market_schema() -> dict[str, Any]:
    """Of a market's file."""
    return _schema(Market, "A file of markets/")


def _schema(model: type[Frozen], title: str) -> dict[str, Any]:
    schema = model.model_json_schema()
    named = {one.__name__: one for one in models(model)}
    _describe(schema, model)
    for name, definition in schema["$defs"].items():
        _describe(definition, named[name])
    for name in _NOT_IN_THE_FILE & schema["properties"].keys():
        del schema["properties"][name]
    del schema["required"]  # those two alone: no file has to say anything
    used = {name: schema["$defs"][name] for name in sorted(_used(schema, schema["$defs"]))}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title, "$defs": used}


def models(annotation: Any) -> Iterator[type[Frozen]]:
    """Every model that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for argument in get_args(annotation):
        yield from models(argument)


def _describe(schema: dict[str, Any], model: type[Frozen]) -> None:
    schema["description"] = summary(model)
    said = fields(model)
    for name, field in schema["properties"].items():
        field.pop("title", None)
        if _is_no_news(field.get("default")):
            del field["default"]
        field["description"] = said[name]


def _is_no_news(default: Any) -> bool:
    """A path on this machine, which is another on the next; or what each part of it says by itself."""
    return str(default).startswith(str(REPOSITORY)) or (isinstance(default, dict) and bool(default))


def _used(schema: Any, definitions: dict[str, Any]) -> set[str]:
    """The names of the definitions that a schema needs, by way of others too."""
    found: set[str] = set()
    waiting = [{key: value for key, value in schema.items() if key != "$defs"}]
    while waiting:
        for name in _references(waiting.pop()) - found:
            found.add(name)
            waiting.append(definitions[name])
    return found


def _references(schema: Any) -> set[str]:
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = {schema["$ref"].rpartition("/")[2]} if isinstance(schema, dict) and "$ref" in schema else set()
    return own.union(*(_references(part) for part in parts))
