"""`fitwave config`: what is shown is the config, with its origins and without passwords; what is wrong is told."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.config.effective import as_written, effective
from infra.config_cli import app
from libs.base import console
from libs.base.environment import CONFIG_ROOT, Environment, load_environment, read_sources
from libs.base.market import Market
from tests.environments import environment_in


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two markets, and a Redis with a password."""
    environment_in(tmp_path, "main", {"de": {}, "us": {"shadow": {"share": 0.5}}}, {"redis_url": "redis://:hunter2@a"})
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def line(text: str, key: str) -> str:
    [found] = [one.strip() for one in text.splitlines() if one.strip().startswith(f"{key}:")]
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIG_ROOT.iterdir() if path.is_dir()))
def test_what_is_effective_can_be_read_back(name: str) -> None:
    environment, sources = load_environment(name), read_sources(name)
    assert Environment.model_validate(yaml.safe_load(effective(environment, sources))) == environment
    for market in environment.markets.values():
        assert Market.model_validate(yaml.safe_load(effective(environment, sources, market.name))) == market


def test_each_value_says_where_it_comes_from(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITWAVE_LAKE_URI", "s3://lake/main")
    environment, sources = load_environment(), read_sources()
    shown = effective(environment, sources)
    assert line(shown, "lake_uri") == "lake_uri: s3://lake/main  # FITWAVE_LAKE_URI"
    assert line(shown, "redis_url") == f"redis_url: redis://***@a  # {root}/main/environment.yaml:1"
    assert line(shown, "max_articles") == "max_articles: 1000  # default"
    of_market = effective(environment, sources, "us")
    assert line(of_market, "share") == f"share: 0.5  # {root}/main/markets/us.yaml:2"
    assert line(of_market, "name") == "name: us  # the name of the file"
    assert line(effective(environment, sources, "de"), "share") == "share: 0.2  # default"


def test_what_the_files_say_is_shown_as_it_is_without_passwords(root: Path) -> None:
    sources = read_sources()
    own, de, us = yaml.safe_load_all(as_written(sources))
    assert own == {"redis_url": "redis://***@a", "state_dir": str(root.parent / "var")}
    assert (de, us) == ({}, {"shadow": {"share": 0.5}})
    assert list(yaml.safe_load_all(as_written(sources, "us"))) == [us]
    assert "hunter2" not in as_written(sources) + effective(load_environment(), sources)


@pytest.mark.parametrize("arguments", [["show"], ["show", "--effective"], ["show", "--market", "us", "--effective"]])
def test_the_command_prints_it(root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.run(app, arguments)
    assert ended.value.code == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out))


def test_a_check_ends_well_or_names_every_fault(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.run(app, ["check"])
    assert ended.value.code == 0
    assert "no fault" in capsys.readouterr().out
    (root / "main" / "markets" / "de.yaml").write_text("shadow:\n  shore: 0.1\nscedule: {}\n")
    (root / "main" / "markets" / "us.yaml").write_text("time_zone: Europe/Bonn\n")
    with pytest.raises(SystemExit) as ended:
        console.run(app, ["check"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "de.yaml:2: shadow.shore: unknown key; did you mean share?" in said
    assert "de.yaml:3: scedule: unknown key; did you mean schedule?" in said
    assert "us.yaml:1: time_zone: Value error, 'Europe/Bonn' is no time zone" in said


def test_an_unknown_market_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.run(app, ["show", "--market", "fr"])
    assert ended.value.code == 1
    assert "unknown market 'fr'" in capsys.readouterr().err


def test_it_is_a_command_of_fitwave() -> None:
    code = "from infra.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "config", "check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
