"""An environment for a branch: what it takes from its base, what it has for itself, and what is refused."""

import subprocess
from pathlib import Path

import pytest
import yaml

from infra.branches.git import current_branch, has_branch
from infra.branches.made import create, listed, name_of, named
from infra.cli import app as fitwave
from libs.base.environment import load_environment
from libs.base.errors import DataError
from libs.base.market_file import store_training
from tests.environments import environment_in


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "one")
    git(folder, "switch", "--quiet", "--create", "feature/x")
    return folder


@pytest.fixture(autouse=True)
def main(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the committed environment main, which has everything that a branch must not share."""
    settings = {
        "redis_url": "redis://stores:6379/0",
        "lake_uri": "delta+s3://lake/main",
        "ray_address": "10.0.0.1:6379",
        "ray_dashboard_url": "http://10.0.0.1:8265",
        "production": True,
        "code": {"repository": str(repository), "remote": "origin"},
        "serving": {"gateway": {"port": 8000, "timeout_s": 3.0}},
    }
    environment_in(tmp_path, "main", {"de": {"training": {"rounds": 7, "seed": 3}}, "us": {}}, settings)
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("FITWAVE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "config" / "main"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_branch_has_its_own_of_what_two_must_not_share_and_the_rest_of_its_base(tmp_path: Path, main: Path) -> None:
    committed = contents(main)
    environment, is_new = create("feature/x", "main")
    name, home = "feature-x-217d2bf5", tmp_path / "state" / "feature-x-217d2bf5"
    assert is_new
    assert (environment.name, environment.home) == (name, home)
    assert environment.branch is not None
    assert (environment.branch.name, environment.branch.base) == ("feature/x", "main")
    assert environment.lake == f"delta+{home / 'lake'}"
    assert (environment.ray_address, environment.ray_dashboard_url) == (None, None)
    assert (environment.production, environment.scheduled) == (False, False)
    assert (environment.code.remote, environment.serving.gateway.port) == (None, None)
    assert environment.redis_url == "redis://stores:6379/0"
    assert environment.serving.gateway.timeout_s == 3.0
    assert environment.markets == load_environment("main").markets
    assert contents(main) == committed


def test_creating_again_changes_nothing(tmp_path: Path) -> None:
    first, _ = create("feature/x", "main")
    files = contents(tmp_path / "state")
    assert create("feature/x", "main") == (first, False)
    assert contents(tmp_path / "state") == files


def test_urls_of_a_shell_are_taken_but_for_lake_and_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    create("fix", "main")
    for name in ("REDIS_URL", "MLFLOW_URI", "LAKE_URI", "RAY_ADDRESS", "RAY_DASHBOARD_URL"):
        monkeypatch.setenv(f"FITWAVE_{name}", "redis://other:1/0")
    environment = load_environment("fix")
    assert (environment.redis_url, environment.mlflow_uri) == ("redis://other:1/0", "redis://other:1/0")
    assert (environment.ray_address, environment.ray_dashboard_url) == (None, None)
    assert environment.lake == f"delta+{environment.home / 'lake'}"


def test_its_files_say_what_differs_and_follow_the_base_in_all_else(tmp_path: Path, main: Path) -> None:
    create("fix", "main")
    own = tmp_path / "state" / "fix" / "config"
    (own / "markets" / "de.yaml").write_text("training: {rounds: 9}\n")
    (own / "markets" / "fr.yaml").write_text("time_zone: Europe/Paris\n")
    (main / "markets" / "us.yaml").write_text("label_maturity_days: 30\n")
    environment = load_environment("fix")
    assert sorted(environment.markets) == ["de", "fr", "us"]
    training = environment.market("de").training
    assert (training.rounds, training.seed) == (9, 3)
    assert environment.market("us").label_maturity_days == 30
    settings = own / "environment.yaml"
    settings.write_text(settings.read_text().replace("scheduled: false", "scheduled: true"))
    assert load_environment("fix").scheduled


def test_what_is_tuned_is_written_into_its_own_files(tmp_path: Path, main: Path) -> None:
    committed = contents(main)
    create("fix", "main")
    path = store_training("fix", "de", {"rounds": 200})
    assert path.is_relative_to(tmp_path / "state")
    assert yaml.safe_load(path.read_text()) == {"training": {"rounds": 200}}
    assert load_environment("fix").market("de").training.rounds == 200
    assert load_environment("fix").market("de").training.seed == 3
    assert contents(main) == committed


def test_production_is_nothing_for_a_branch(tmp_path: Path) -> None:
    create("fix", "main")
    with (tmp_path / "state" / "fix" / "config" / "environment.yaml").open("a") as file:
        file.write("production: true\n")
    with pytest.raises(DataError, match="a branch's environment cannot be one"):
        load_environment("fix")


def test_the_branch_main_has_an_environment_beside_main() -> None:
    environment, _ = create("main", "main")
    assert environment.name == "main-0d6e4079"
    assert load_environment("main").branch is None


@pytest.mark.parametrize(
    ("branch", "base", "said"),
    [
        ("", "main", "is no branch's name"),
        ("a\nb", "main", "is no branch's name"),
        ("x", "prod", "--from 'prod' is no committed environment: there is main"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(tmp_path: Path, branch: str, base: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        create(branch, base)
    assert not (tmp_path / "state").exists()


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state" / "fix" / "lake").mkdir(parents=True)
    with pytest.raises(DataError, match="holds something already"):
        create("fix", "main")


def test_a_draft_that_was_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "state" / "fix" / "config.draft" / "markets").mkdir(parents=True)
    assert create("fix", "main")[1]


def test_another_base_is_refused_while_it_is_there(tmp_path: Path) -> None:
    environment_in(tmp_path, "demo", {"de": {}})
    create("fix", "main")
    with pytest.raises(DataError, match="is based on 'main', not on 'demo'"):
        create("fix", "demo")


def test_a_branch_keeps_the_name_it_was_given(tmp_path: Path, main: Path) -> None:
    create("fix", "main")
    (tmp_path / "config" / "fix").mkdir()
    assert name_of("fix") == "fix"
    with pytest.raises(DataError, match=r"is one of the repository, .* and a branch's"):
        load_environment("fix")


def test_committed_files_cannot_pass_for_a_branchs(main: Path) -> None:
    with (main / "environment.yaml").open("a") as file:
        file.write("branch: {name: x, base: main, created_at: 2026-01-01T00:00:00Z, id: abcdefgh}\n")
    with pytest.raises(DataError, match="only `fitwave env create` makes environments"):
        load_environment("main")


def test_a_base_that_is_gone_is_named(tmp_path: Path) -> None:
    environment_in(tmp_path, "demo", {"de": {}})
    create("fix", "demo")
    (tmp_path / "config" / "demo").rename(tmp_path / "config" / "show")
    with pytest.raises(DataError, match="is based on 'demo', which is none of"):
        load_environment("fix")


def test_the_list_tells_of_branches_that_are_gone_and_of_what_cannot_be_read(tmp_path: Path, repository: Path) -> None:
    for branch in ("feature/x", "gone", "bad"):
        create(branch, "main")
    (tmp_path / "state" / "bad" / "config" / "environment.yaml").write_text("branch: 3\n")
    bad, present, gone = listed()
    assert bad.state.startswith("cannot be read") and bad.branch is None
    assert (present.state, present.is_gone, gone.is_gone) == ("stopped", False, True)
    assert present.size > 0


def test_the_branch_is_by_default_the_one_that_is_checked_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitwave(["env", "create"], result_action="return_value")
    said = capsys.readouterr().out
    assert "made: environment feature-x-217d2bf5" in said
    assert "export FITWAVE_ENVIRONMENT=feature-x-217d2bf5" in said
    fitwave(["env", "create"], result_action="return_value")
    assert "there already" in capsys.readouterr().out
    git(repository, "switch", "--quiet", "--detach")
    with pytest.raises(DataError, match=r"no branch in .*Say which with --branch NAME"):
        fitwave(["env", "create"], result_action="return_value")


def test_git_knows_which_branches_there_are(repository: Path) -> None:
    assert current_branch(repository) == "feature/x"
    assert has_branch(repository, "feature/x") and has_branch(repository, "main")
    assert not has_branch(repository, "feature") and not has_branch(repository, "x")
    git(repository, "update-ref", "refs/remotes/origin/far/away", "HEAD")
    assert has_branch(repository, "far/away") and not has_branch(repository, "away")


def test_what_no_branch_has_is_not_destroyed(tmp_path: Path) -> None:
    (tmp_path / "config" / "demo").mkdir()
    for arguments, said in (
        (["--environment", "main", "--yes"], "is committed, and no branch's"),
        (["--environment", "nothing", "--yes"], "there is no branch's environment 'nothing'"),
        (["--branch", "main", "--yes"], "there is no branch's environment 'main-0d6e4079'"),
        (["--branch", "x", "--environment", "y"], "not both"),
    ):
        with pytest.raises(DataError, match=said):
            fitwave(["env", "destroy", *arguments], result_action="return_value")
    assert load_environment("main").markets


def test_without_a_terminal_destroying_has_to_be_said_twice(tmp_path: Path) -> None:
    create("fix", "main")
    with pytest.raises(DataError, match="say --yes"):
        fitwave(["env", "destroy", "--branch", "fix"], result_action="return_value")
    assert named("fix").name == "fix"


def test_an_environment_that_was_never_up_is_destroyed_without_its_stores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create("fix", "main")
    fitwave(["env", "destroy", "--branch", "fix", "--yes"], result_action="return_value")
    assert "environment fix is gone" in capsys.readouterr().out
    assert list((tmp_path / "state").iterdir()) == []
    assert listed() == []


def test_what_a_killed_destruction_has_left_of_files_is_swept_up(tmp_path: Path) -> None:
    create("fix", "main")
    (tmp_path / "state" / "fix").rename(tmp_path / "state" / ".destroyed-fix-1234")
    fitwave(["env", "create", "--branch", "fix"], result_action="return_value")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["fix"]
