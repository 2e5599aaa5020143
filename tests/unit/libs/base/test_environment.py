"""Configuration: what is wrong is said with file, place and remedy; what is right is frozen."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.base.environment import CONFIG_ROOT, load_environment
from libs.base.errors import DataError
from tests.environments import environment_in


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIG_ROOT.iterdir() if path.is_dir()))
def test_the_environments_of_the_repository_load(name: str) -> None:
    assert load_environment(name).markets


def test_an_unknown_environment_names_those_there_are(tmp_path: Path) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    with pytest.raises(DataError, match=r"no environment 'prod' under .*: there is main"):
        load_environment("prod", tmp_path / "config")


def test_an_unknown_market_names_those_there_are_and_where_to_add_it(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}, "us": {}})
    with pytest.raises(DataError, match=r"unknown market 'fr' in environment 'main': it has de, us.*fr\.yaml"):
        environment.market("fr")


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"label_maturity_day": 3}, "label_maturity_day: Extra inputs are not permitted"),
        ({"shadow": {"share": 1.5}}, "shadow.share: Input should be less than or equal to 1"),
        (
            {"shadow": {"retention_days": 41}},
            "label_maturity_days, max_hours and a week are 42 days",
        ),
        ({"label_maturity_days": 90}, "shadow.retention_days: 90 is too few"),
        ({"standards": {"min_auc_macro": "high"}}, "standards.min_auc_macro"),
        ({"rules": [{"name": "x", "keep": {"kind": "no_such_rule"}}]}, "rules.0.keep"),
        ({"serving": {"size_model": {"min": 3, "max": 1}}}, "max 1 is below min 3"),
        (
            {
                "rules": [
                    {"name": "x", "keep": {"kind": "known_article"}},
                    {"name": "x", "keep": {"kind": "known_customer"}},
                ]
            },
            "are used twice",
        ),
    ],
)
def test_a_wrong_market_config_is_refused_with_file_and_place(
    tmp_path: Path, config: dict[str, object], place: str
) -> None:
    with pytest.raises(DataError) as refused:
        environment_in(tmp_path, "main", {"de": config})
    assert "markets/de.yaml is not a valid market config" in str(refused.value)
    assert place in str(refused.value)


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        environment_in(tmp_path, "main", {"de": {"a": 1, "b": 2}})
    assert "  a: " in str(refused.value)
    assert "  b: " in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "is not YAML"), ("- 1\n- 2\n", "must hold keys and values at the top, not a list")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    (tmp_path / "config" / "main" / "environment.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        load_environment("main", tmp_path / "config")


def test_an_environment_without_markets_or_without_its_file_is_refused(tmp_path: Path) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    (tmp_path / "config" / "main" / "markets" / "de.yaml").unlink()
    with pytest.raises(DataError, match="no market in"):
        load_environment("main", tmp_path / "config")
    (tmp_path / "config" / "main" / "environment.yaml").unlink()
    with pytest.raises(DataError, match=r"environment\.yaml is absent"):
        load_environment("main", tmp_path / "config")


@pytest.mark.parametrize("name", ["De", "de_x", "-de", "d" * 41, "dé"])
def test_a_market_name_that_no_store_could_take_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "config" / "main" / "markets"
    environment_in(tmp_path, "main", {"de": {}})
    (folder / f"{name}.yaml").write_text("{}")
    with pytest.raises(DataError, match="is not a usable name"):
        load_environment("main", tmp_path / "config")


def test_urls_can_come_from_the_process_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITWAVE_REDIS_URL", "redis://:secret@stores:6379/1")
    monkeypatch.setenv("FITWAVE_LAKE_URI", "s3://lake/main")
    environment = environment_in(tmp_path, "main", {"de": {}})
    assert environment.redis_url == "redis://:secret@stores:6379/1"
    assert environment.lake == "s3://lake/main"


def test_config_does_not_change_once_it_is_read(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}})
    with pytest.raises(ValidationError, match="frozen"):
        environment.market("de").shadow.share = 1.0
