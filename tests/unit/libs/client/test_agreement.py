"""The client and the API's document say the same, and the client needs nothing else of Fitwave."""

import dataclasses
import json
import shutil
import subprocess
import sys
import types
import typing
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from apps.serve.documentation import openapi
from apps.serve.problems import Kind
from libs.base.environment import REPOSITORY
from libs.client import answers
from libs.client.errors import (
    AccessDenied,
    NoModel,
    RateLimited,
    Refused,
    Unavailable,
    UnknownArticles,
    UnknownMarket,
    problem_class,
)

DOCUMENT = json.loads(openapi(1000))
SCHEMAS = DOCUMENT["components"]["schemas"]
NAMES = ["SizeProbability", "SecondBest", "Basis", "Recommendation", "Recommendations", "MarketState"]
_PLAIN = {str: "string", float: "number", bool: "boolean"}


def described(hint: Any) -> dict[str, Any]:
    """A type of the client as the schema that the document would have for it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        [rest] = [one for one in arguments if one is not types.NoneType]
        return {**described(rest), "null": True}
    if origin is tuple:
        return {"array": described(arguments[0])}
    if origin is typing.Literal:
        return {"enum": set(arguments)}
    if hint is datetime:
        return {"type": "string"}
    return {"type": _PLAIN[hint]} if hint in _PLAIN else {"ref": hint.__name__}


def documented(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of the document in the same words."""
    found: dict[str, Any] = {"null": True} if schema.get("nullable") else {}
    [inner] = schema.get("allOf", [schema])
    if "$ref" in inner:
        return found | {"ref": inner["$ref"].rpartition("/")[2]}
    if "enum" in inner:
        return found | {"enum": {value for value in inner["enum"] if value is not None}}
    if inner["type"] == "array":
        return found | {"array": documented(inner["items"])}
    return found | {"type": inner["type"]}


@pytest.mark.parametrize("name", NAMES)
def test_each_answer_has_the_fields_of_the_document_with_their_types(name: str) -> None:
    cls = getattr(answers, name)
    hints = typing.get_type_hints(cls)
    assert {field.name: described(hints[field.name]) for field in dataclasses.fields(cls)} == {
        field: documented(schema) for field, schema in SCHEMAS[name]["properties"].items()
    }
    assert set(SCHEMAS[name]["required"]) == set(hints)


def test_the_client_asks_where_the_document_says() -> None:
    assert {"/v1/markets/{market}/size-recommendations", "/v1/markets"} <= set(DOCUMENT["paths"])
    assert set(SCHEMAS["RecommendationRequest"]["properties"]) == {"customer_id", "article_ids", "selected_sizes"}


def test_every_problem_has_an_exception_and_every_exception_a_problem() -> None:
    found = {kind: problem_class(kind.type, kind.status) for kind in Kind}
    for kind, cls in found.items():
        assert issubclass(cls, Unavailable) == (kind.status >= 500), kind
    assert found[Kind.UNKNOWN_PATH] is Refused
    assert set(found.values()) == {
        Refused,
        AccessDenied,
        UnknownMarket,
        UnknownArticles,
        RateLimited,
        Unavailable,
        NoModel,
    }


def test_its_wheel_works_without_the_rest_of_fitwave(tmp_path: Path) -> None:
    source = shutil.copytree(REPOSITORY / "libs" / "client", tmp_path / "source")
    # What pip does once it has the build's requirements.
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    [wheel] = tmp_path.glob("fitwave_client-*.whl")
    assert "fitwave_client/py.typed" in zipfile.ZipFile(wheel).namelist()
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); from fitwave_client.client import Client;"
        "Client('http://localhost', 'key').close();"
        "print(*sorted({'libs', 'apps', 'ray', 'pydantic', 'msgspec', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
