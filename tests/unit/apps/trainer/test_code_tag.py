"""Code tags: annotated, on the commit that was run, pushed where a remote is configured, safe to repeat."""

import subprocess
from pathlib import Path

import pytest

from apps.trainer.code_tag import TRAVELLED, Commit, current_commit, remove_tags, tag_name, tag_version, tags_of
from libs.base.environment import Code
from libs.base.errors import DataError, TransientError


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("1")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def test_a_version_is_tagged_on_its_commit_with_a_message(repository: Path) -> None:
    code = Code(repository=repository)
    commit = current_commit(code)
    tag_version(code, tag_name("main", "de", "3"), commit, "de v3: accepted")
    assert git(repository, "rev-parse", "model/main/de/v3^{commit}") == commit.sha
    assert git(repository, "cat-file", "-t", "model/main/de/v3") == "tag"
    assert git(repository, "tag", "-l", "--format=%(contents:subject)", "model/main/de/v3") == "de v3: accepted"


def test_tagging_again_changes_nothing(repository: Path) -> None:
    code = Code(repository=repository)
    for _ in range(2):
        tag_version(code, "model/main/de/v1", current_commit(code), "x")
    assert git(repository, "tag", "-l") == "model/main/de/v1"


def test_a_tag_on_other_code_is_refused_and_stays(repository: Path) -> None:
    code = Code(repository=repository)
    first = current_commit(code)
    tag_version(code, "model/main/de/v1", first, "x")
    (repository / "file").write_text("2")
    git(repository, "commit", "--quiet", "-am", "two")
    with pytest.raises(DataError, match=f"tag model/main/de/v1 is on commit {first.sha}"):
        tag_version(code, "model/main/de/v1", current_commit(code), "x")
    assert git(repository, "rev-parse", "model/main/de/v1^{commit}") == first.sha


def test_uncommitted_changes_are_known(repository: Path) -> None:
    assert not current_commit(Code(repository=repository)).dirty
    (repository / "file").write_text("2")
    assert current_commit(Code(repository=repository)).dirty


def test_tags_are_pushed_to_a_configured_remote(repository: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    code = Code(repository=repository, remote=str(remote))
    tag_version(code, "model/main/de/v1", current_commit(code), "x")
    assert git(remote, "tag", "-l") == "model/main/de/v1"


def test_a_remote_that_is_away_can_be_tried_again(repository: Path, tmp_path: Path) -> None:
    code = Code(repository=repository, remote=str(tmp_path / "nowhere.git"))
    with pytest.raises(TransientError, match="could not be pushed"):
        tag_version(code, "model/main/de/v1", current_commit(code), "x")


def test_a_folder_that_is_no_repository_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no git repository.*code\.repository"):
        current_commit(Code(repository=tmp_path))


def test_a_commit_that_is_not_there_cannot_be_tagged(repository: Path) -> None:
    with pytest.raises(DataError, match="could not be put on commit 0000"):
        tag_version(Code(repository=repository), "model/main/de/v1", Commit("0" * 40), "x")


@pytest.fixture
def sent(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Code, Commit, Path]:
    """Code as a cluster is sent it: files without a checkout, the commit beside them, and a remote to tag in."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(remote))
    files = tmp_path / "sent"
    files.mkdir()
    sha = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv(TRAVELLED, sha)
    return Code(repository=files, remote=str(remote)), Commit(sha), remote


def test_code_that_was_sent_without_a_checkout_is_tagged_in_the_remote(sent: tuple[Code, Commit, Path]) -> None:
    code, commit, remote = sent
    assert current_commit(code) == commit
    for _ in range(2):  # a week that is run again tags again
        tag_version(code, "model/prod/de/v1", commit, "de v1: accepted")
    assert git(remote, "rev-parse", "model/prod/de/v1^{commit}") == commit.sha
    assert git(remote, "tag", "-l", "--format=%(contents:subject)") == "de v1: accepted"


def test_a_commit_that_was_never_pushed_is_said_to_be_absent(sent: tuple[Code, Commit, Path]) -> None:
    with pytest.raises(TransientError, match=r"(?s)could not be had from .* Has it been pushed"):
        tag_version(sent[0], "model/prod/de/v1", Commit("1" * 40), "x")


def test_sent_code_without_a_remote_is_told_to_name_one(sent: tuple[Code, Commit, Path]) -> None:
    with pytest.raises(DataError, match=r"set code\.remote in environment\.yaml"):
        tag_version(sent[0].model_copy(update={"remote": None}), "model/prod/de/v1", sent[1], "x")


def test_the_same_changes_have_the_same_digest_and_others_another(repository: Path) -> None:
    code = Code(repository=repository)
    digests = []
    for content in ("2", "3", "2"):
        (repository / "file").write_text(content)
        digests.append(str(current_commit(code)))
    assert digests[0] == digests[2] != digests[1]
    assert "+" in digests[0]


def test_the_tags_of_one_environment_are_found_and_removed_and_no_others(repository: Path, tmp_path: Path) -> None:
    code = Code(repository=repository)
    commit = current_commit(code)
    for name in (tag_name("fix", "de", "1"), tag_name("fix", "us-west", "12"), tag_name("fix-us", "de", "1"), "v1"):
        tag_version(code, name, commit, "x")
    assert tags_of(code, "fix") == ["model/fix/de/v1", "model/fix/us-west/v12"]
    remove_tags(code, tags_of(code, "fix"))
    assert git(repository, "tag", "-l").split() == ["model/fix-us/de/v1", "v1"]
    remove_tags(code, [])
    with pytest.raises(TransientError, match="tags could not be removed"):
        remove_tags(code, ["model/fix/de/v1"])
    assert tags_of(Code(repository=tmp_path), "fix") == []
