"""The schemas and the reference are those of the models, and hold on the files of the repository."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from infra.config.descriptions import fields, summary
from infra.config.generated import generated
from infra.config.reference import reference
from infra.config.schema import environment_schema, market_schema, models
from libs.base.environment import CONFIG_ROOT, REPOSITORY, Branch, Environment
from libs.base.frozen import Frozen
from libs.base.market import Market

MODELS = sorted({*models(Environment)}, key=lambda model: model.__name__)
FILES = [*sorted(CONFIG_ROOT.glob("*/environment.yaml")), *sorted(CONFIG_ROOT.glob("*/markets/*.yaml"))]
FILE_IDS = [str(path.relative_to(CONFIG_ROOT)) for path in FILES]


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make reference`"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_described_and_nothing_else(model: type[Frozen]) -> None:
    assert summary(model)
    assert list(fields(model)) == list(model.model_fields)


def test_the_description_of_a_field_may_be_its_bases() -> None:
    class Base(Frozen):
        """A base.

        Attributes:
            first: Said by the base,
                on two lines.
        """

        first: int

    class Derived(Base):
        """More of it.

        Attributes:
            second: Said here.
        """

        second: int

    assert fields(Derived) == {"first": "Said by the base, on two lines.", "second": "Said here."}
    assert summary(Derived) == "More of it."


def schema_of(path: Path) -> dict[str, Any]:
    return market_schema() if path.parent.name == "markets" else environment_schema()


@pytest.mark.parametrize("path", FILES, ids=FILE_IDS)
def test_the_files_of_the_repository_name_their_schema_and_keep_to_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    assert (path.parent / named[1]).resolve() in generated()
    jsonschema.Draft202012Validator(schema_of(path)).validate(yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        (environment_schema(), {"servng": {}}),
        (environment_schema(), {"serving": {"gateway": {"port": 70000}}}),
        (environment_schema(), {"name": "main"}),
        (market_schema(), {"shadow": {"rollout": {"policy": "pinned"}}}),
        (market_schema(), {"rules": [{"name": "x", "keep": {"kind": "no_such"}}]}),
        (market_schema(), {"schedule": {"weekday": "monday"}}),
    ],
)
def test_an_editor_marks_what_is_wrong(schema: dict[str, Any], wrong: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_no_schema_and_no_page_tells_of_the_machine_it_was_made_on() -> None:
    assert [path for path, text in generated().items() if str(REPOSITORY) in text] == []


def test_every_key_stands_in_the_reference() -> None:
    page = reference(environment_schema(), market_schema())
    said = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    said |= {part for heading in re.findall(r"^### (\S+)", page, re.MULTILINE) for part in re.findall(r"\w+", heading)}
    assert {name for model in MODELS for name in model.model_fields} - {"name", "markets"} - {
        *Branch.model_fields,
        "branch",
    } <= said


def examples() -> list[tuple[type[Frozen], dict[str, Any]]]:
    own, _, market = reference(environment_schema(), market_schema()).partition("## markets/")
    found: list[tuple[type[Frozen], dict[str, Any]]] = []
    for model, page in ((Environment, own), (Market, market)):
        found += [(model, yaml.safe_load(block)) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    return found


@pytest.mark.parametrize(("model", "example"), examples(), ids=lambda value: str(value)[:60])
def test_an_example_of_the_reference_is_right_as_far_as_it_goes(model: type[Frozen], example: dict[str, Any]) -> None:
    rest = {"name": "main"} if model is Market else {"name": "main", "markets": {"de": {}}}
    try:
        model.model_validate(example | rest)
    except ValidationError as error:
        # A section shows its own keys; those above it are shown by other sections.
        assert {fault["type"] for fault in error.errors()} == {"missing"}
