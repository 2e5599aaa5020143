"""docs/configuration.md: every key of the config, made from the schemas."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_HEAD = """# Configuration

An environment is a folder of `infra/environments` (or of `$FITWAVE_CONFIG`): `environment.yaml`, and one file per
market in `markets/`. A key that is left out has its default; a key that is none is an error.

```sh
fitwave config check                        # every fault of every file, with its line
fitwave config show --market de             # what the file says
fitwave config show --effective             # every value, and where it comes from; passwords are not shown
fitwave serve deploy --dry-run              # what the config would change of what runs
fitwave serve deploy                        # scaling is editing a number, and this
```

The dry run tells for each value that differs what follows: living replicas take it, replicas come or go and the others
stay, or all of an application start anew, one after the other. Another fixed number leaves the living ones; a first
range like `{min: 1, max: 3}` starts its application anew: so does Ray Serve begin to scale by itself.

Editors that speak to the YAML language server complete and check these files as they are written: their first line
names their schema, which is in `infra/config/schema`.

*This page and the schemas are made from the models in `libs/base` by `make reference`.*
"""

_FILES = {
    "environment.yaml": "What is the same for all markets.",
    "markets/*.yaml": "What one market decides for itself; the file's name is the market's.",
}
# Where a default is null, or there is none.
_EXAMPLES: dict[str, Any] = {
    "redis_url": "redis://stores.internal:6379/0",
    "mlflow_uri": "postgresql://mlflow@stores.internal/mlflow",
    "ray_address": "ray.internal:6379",
    "ray_dashboard_url": "http://ray.internal:8265",
    "lake_uri": "delta+s3://lake/main",
    "state_dir": "/var/lib/fitwave",
    "repository": "/srv/fitwave",
    "remote": "origin",
    "port": 8000,
    "issuer": "https://login.example.com/",
    "audience": "fitwave",
    "keys": "https://login.example.com/.well-known/jwks.json",
    "wanted_precision": 0.6,
    "max_null_rate": {"customers.height_cm": 0.9},
    "channels": ["web", "app"],
    "divisions": ["apparel"],
    "pieces": 3,
    "days": 730,
    "name": "no resale",
    "keep": {"kind": "max_quantity", "pieces": 3},
    "version": 12,
    "max_mean_ms": 50.0,
    "min_auc_macro": 0.55,
    "slices": {"cold_customer": {"min_auc_macro": 0.55, "min_lines": 500}},
}
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}

Schema = Mapping[str, Any]


def reference(environment: Schema, market: Schema) -> str:
    """The page, from the schemas of both kinds of file."""
    parts = [_HEAD]
    for (file, about), schema in zip(_FILES.items(), (environment, market), strict=True):
        parts.append(f"\n## {file}\n\n{about}\n")
        parts += _section("", "", schema, schema["$defs"])
    return "".join(parts)


def _section(prefix: str, about: str, schema: Schema, definitions: Schema) -> Iterator[str]:
    """The keys of one mapping, then those of the mappings in it."""
    if prefix:
        yield f"\n### {prefix}\n\n{about} {' '.join(schema['description'].split())}\n"
    inner = {name: _mappings(field, definitions) for name, field in schema["properties"].items()}
    plain = {name: field for name, field in schema["properties"].items() if not inner[name]}
    required = schema.get("required", ())
    if plain:
        yield "\n| key | what it may be | default | meaning |\n|---|---|---|---|\n"
        yield from (_row(name, field, name in required) for name, field in plain.items())
        yield _example(prefix, plain, required)
    for name, found in inner.items():
        field = schema["properties"][name]
        for one in found:
            kind = _kind(one)
            place = f"{prefix}.{name}".lstrip(".") + ("[]" if field.get("type") == "array" else "")
            place += ".<name>" if "additionalProperties" in field else ""
            heading = f"{place} ({kind})" if kind and len(found) > 1 else place
            yield from _section(heading, field["description"], one, definitions)


def _mappings(field: Schema, definitions: Schema) -> list[Schema]:
    """What a field is made of, if that has keys of its own: one mapping, or one for each kind of a choice."""
    nested = [field, field.get("items", {}), field.get("additionalProperties", {})]
    choices = [one for part in nested for one in (part, *part.get("anyOf", ()), *part.get("oneOf", ()))]
    return [definitions[one["$ref"].rpartition("/")[2]] for one in choices if "$ref" in one]


def _kind(schema: Schema) -> str:
    constants = [f"{name}: {field['const']}" for name, field in schema["properties"].items() if "const" in field]
    return constants[0] if constants else ""


def _row(name: str, field: Schema, required: bool) -> str:
    default = "must be given" if required else f"`{json.dumps(field['default'])}`" if "default" in field else ""
    return f"| `{name}` | {_type(field)} | {default} | {' '.join(field['description'].split())} |\n"


def _type(field: Schema) -> str:
    if "anyOf" in field:
        return ", or ".join(_type(one) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        return f"list of {_type(field['items'])}" + (", not empty" if field.get("minItems") else "")
    if field["type"] == "object":
        return f"by name: {_type(field['additionalProperties'])}"
    bounds = [f"{words} {field[bound]:g}" for bound, words in _BOUNDS.items() if bound in field]
    return ", ".join(["path" if field.get("format") == "path" else _TYPES[field["type"]], *bounds])


def _example(prefix: str, plain: Schema, required: Any) -> str:
    """The section as YAML: examples where there is no default to show."""
    values: Any = {name: _value(name, field, name in required) for name, field in plain.items()}
    for part in reversed(prefix.partition(" ")[0].split(".") if prefix else ()):
        values = (
            [{part: values}] if not part else {part.removesuffix("[]"): [values] if part.endswith("[]") else values}
        )
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=False, width=1000).replace("<name>", "a_name")
    return f"\n```yaml\n{text}```\n"


def _value(name: str, field: Schema, required: bool) -> Any:
    if "const" in field:
        return field["const"]
    if name in _EXAMPLES and (required or field.get("default") in (None, {})):
        return _EXAMPLES[name]
    if "default" not in field:
        raise KeyError(f"{name} has no default: give it an example in infra/config/reference.py")
    return field["default"]
