"""Configuration: what is wrong is said with file, place and remedy; what is right is frozen."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.base.environment import CONFIG_ROOT, Tokens, load_environment
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
        ({"label_maturity_day": 3}, "label_maturity_day: unknown key; did you mean label_maturity_days?"),
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
    assert ": a: " in str(refused.value)
    assert ": b: " in str(refused.value)


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


def test_the_faults_of_all_files_are_listed_each_with_its_line(tmp_path: Path) -> None:
    environment_in(tmp_path, "main", {"de": {}, "us": {}})
    folder = tmp_path / "config" / "main"
    (folder / "environment.yaml").write_text("serving:\n  gateway:\n    prot: 8000\n")
    (folder / "markets" / "de.yaml").write_text("# a comment\nshadow:\n  share: 2\n")
    (folder / "markets" / "us.yaml").write_text("rules:\n  - {name: x, keep: {kind: channel_in, chanels: [web]}}\n")
    with pytest.raises(DataError) as refused:
        load_environment("main", tmp_path / "config")
    assert str(refused.value).splitlines() == [
        f"{folder}/environment.yaml is not a valid environment config:",
        f"  {folder}/environment.yaml:3: serving.gateway.prot: unknown key; did you mean port? (got 8000)",
        f"{folder}/markets/de.yaml is not a valid market config:",
        f"  {folder}/markets/de.yaml:3: shadow.share: Input should be less than or equal to 1 (got 2)",
        f"{folder}/markets/us.yaml is not a valid market config:",
        f"  {folder}/markets/us.yaml:2: rules.0.keep.channels: Field required "
        "(got {'kind': 'channel_in', 'chanels': ['web']})",
        f"  {folder}/markets/us.yaml:2: rules.0.keep.chanels: unknown key; did you mean channels? (got ['web'])",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red", "de.yaml:1: colour: unknown key; there are name, time_zone, rules"),
        ("standards: {slices: {cold_customer: {min_auc: 0.5}}}", "did you mean min_auc_macro?"),
        (
            "shadow: {rollout: {policy: pinned, versoin: 3}}",
            "shadow.rollout.versoin: unknown key; did you mean version?",
        ),
        ("shadow: {guard: {ours: 3, max_mean_ms: 9}}", "shadow.guard.ours: unknown key; did you mean hours?"),
    ],
)
def test_an_unknown_key_is_told_which_was_meant(tmp_path: Path, text: str, said: str) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    (tmp_path / "config" / "main" / "markets" / "de.yaml").write_text(text)
    with pytest.raises(DataError) as refused:
        load_environment("main", tmp_path / "config")
    assert said in str(refused.value)


def test_a_key_that_is_there_twice_is_a_fault(tmp_path: Path) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    (tmp_path / "config" / "main" / "markets" / "de.yaml").write_text("shadow:\n  share: 0.1\n  share: 0.2\n")
    with pytest.raises(DataError, match=r"de\.yaml, line 3: shadow\.share is there twice, first on line 2"):
        load_environment("main", tmp_path / "config")


def test_a_fault_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="redis://") as refused:
        environment_in(tmp_path, "main", {"de": {}}, {"redis_url": ["redis://:hunter2@stores"]})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "keys", ["/etc/fitwave/keys.json", "https://login.example.com/keys", "http://127.0.0.1:8080/keys", "http://[::1]/k"]
)
def test_a_providers_keys_come_from_a_file_or_safely(keys: str) -> None:
    assert Tokens(issuer="i", audience="a", keys=keys).keys == keys


@pytest.mark.parametrize(
    "keys",
    ["", "keys.json", "http://login.example.com/keys", "file:///keys", "ftp://h/keys", "https:///keys", "https:"],
)
def test_a_providers_keys_do_not_come_from_where_others_can_change_them(keys: str) -> None:
    with pytest.raises(ValidationError, match="must be an absolute path, or a URL of https"):
        Tokens(issuer="i", audience="a", keys=keys)
