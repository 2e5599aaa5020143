"""The reference part of docs/api.md, made from the OpenAPI document; `python -m apps.serve.api_page` writes it anew."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from apps.serve.documentation import openapi
from libs.base.environment import REPOSITORY, Gateway

PAGE = REPOSITORY / "docs" / "api.md"
_BEGIN, _END = (f"<!-- made by apps.serve.api_page: {which} -->" for which in ("begin", "end"))

Document = Mapping[str, Any]


def with_reference(page: str, document: Document) -> str:
    """The page with the reference of this document between its two marks.

    Raises:
        ValueError: the page has not exactly one pair of marks.
    """
    before, rest = page.split(_BEGIN)
    _, after = rest.split(_END)
    return before + "\n".join([_BEGIN, "", *reference(document), _END]) + after


def reference(document: Document) -> Iterator[str]:
    """Every operation, then every type, as lines of Markdown."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(f"{method.upper()} {path}", operation)
    for name, schema in document["components"]["schemas"].items():
        yield from _type(name, schema)


def _operation(title: str, operation: Document) -> Iterator[str]:
    key = "needs no key" if operation.get("security") == [] else "needs a key"
    yield from (f"### `{title}`", "", f"{operation['summary']}; {key}.", "")
    if "requestBody" in operation:
        [content] = operation["requestBody"]["content"].values()
        yield from (f"The body is a {_kind(content['schema'])}.", "")
    yield from ("| status | answer |", "| --- | --- |")
    for status, response in operation["responses"].items():
        [content] = response["content"].values()
        told = "" if status == "200" else f": {response['description']}"
        yield f"| {status} | {_kind(content['schema'])}{told} |"
    yield ""


def _type(name: str, schema: Document) -> Iterator[str]:
    yield from (f"### {name}", "", " ".join(schema["description"].split()), "")
    yield from ("| field | what it is | |", "| --- | --- | --- |")
    for field, kind in schema["properties"].items():
        yield f"| `{field}` | {_kind(kind)} | {'' if field in schema['required'] else 'may be left out'} |"
    yield ""


def _kind(schema: Document) -> str:
    """A schema in a few words."""
    return f"{_plain(schema)}{', or null' if schema.get('nullable') else ''}"


def _plain(schema: Document) -> str:
    if "allOf" in schema:
        [one] = schema["allOf"]
        return _plain(one)
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"] if one is not None)
    if schema["type"] == "array":
        bounds = f"{schema['minItems']} to {schema['maxItems']} of " if "maxItems" in schema else "list of "
        return f"{bounds}{_kind(schema['items'])}"
    if schema["type"] == "object":
        return f"object of {_kind(schema['additionalProperties'])}"
    length = f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    return f"{schema['type']}{length}"


def main(page: Path = PAGE) -> None:
    """Write the page."""
    document = msgspec.json.decode(openapi(Gateway().max_articles))
    page.write_text(with_reference(page.read_text(encoding="utf-8"), document), encoding="utf-8")
    print(page.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
