"""A market's file is changed in the values that were asked for, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.base.environment import CONFIG_ROOT, load_environment
from libs.base.errors import DataError
from libs.base.market_file import store_training, with_values

FOUND = {"rounds": 200, "max_depth": 6, "learning_rate": 0.055}


def lines_lost(old: str, new: str) -> list[str]:
    return [line for line in old.splitlines() if line not in new.splitlines()]


@pytest.mark.parametrize("path", sorted(CONFIG_ROOT.glob("*/markets/*.yaml")), ids=lambda path: path.parts[-3:])
def test_every_market_of_the_repository_can_be_tuned(path: Path) -> None:
    old = path.read_text(encoding="utf-8")
    new = with_values(old, "training", FOUND)
    before, after = yaml.safe_load(old), yaml.safe_load(new)
    assert after["training"] == before.get("training", {}) | FOUND
    assert {name: value for name, value in after.items() if name != "training"} == {
        name: value for name, value in before.items() if name != "training"
    }
    replaced = {name for name in FOUND if name in before.get("training", {})}
    assert all(line.split(":")[0].strip() in replaced for line in lines_lost(old, new))


def test_a_value_is_changed_in_its_place_and_its_comment_stays() -> None:
    old = "# The market.\ntraining:\n  # Deep.\n  max_depth: 9  # as in May\n  seed: 3\nshadow: {share: 0.5}\n"
    assert with_values(old, "training", FOUND) == (
        "# The market.\ntraining:\n  # Deep.\n  max_depth: 6  # as in May\n  seed: 3\n"
        "  rounds: 200\n  learning_rate: 0.055\nshadow: {share: 0.5}\n"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "training:\n  rounds: 200\n"),
        ("# nothing yet\n", "# nothing yet\n\ntraining:\n  rounds: 200\n"),
        ("shadow: {share: 0.5}", "shadow: {share: 0.5}\n\ntraining:\n  rounds: 200\n"),
        ("training:\nshadow: {}\n", "training: {rounds: 200}\nshadow: {}\n"),
        ("training:  # later\n", "training: {rounds: 200}  # later\n"),
        ("training: null\n", "training: {rounds: 200}\n"),
        ("training: {}\n", "training: {rounds: 200}\n"),
        ("training: {seed: 3}  # why\n", "training: {seed: 3, rounds: 200}  # why\n"),
        ("training: {seed: 3,\n  max_depth: 4}\n", "training: {seed: 3,\n  max_depth: 4, rounds: 200}\n"),
        ("training: {rounds: 150, seed: 3}\n", "training: {rounds: 200, seed: 3}\n"),
        ('training: {"rounds": 150}\n', 'training: {"rounds": 200}\n'),
        ("training:\n    seed: 3", "training:\n    seed: 3\n    rounds: 200"),
        ("training:\r\n  seed: 3\r\nname: de\r\n", "training:\r\n  seed: 3\r\n  rounds: 200\r\nname: de\r\n"),
    ],
)
def test_each_way_to_write_the_section_is_kept(old: str, new: str) -> None:
    assert with_values(old, "training", {"rounds": 200}) == new


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: &base {seed: 3}\ntraining: *base\n", "alias"),
        ("{training: {seed: 3}}\n", "one key a line"),
        ("- training\n", "one key a line"),
        ("training: [1, 2]\n", "does not hold keys and values"),
        ("training: {rounds: &r 150, max_depth: *r}\n", "cannot be edited"),
        ("shadow: {share: 0.5}\n...\n", "cannot be edited"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        with_values(text, "training", {"rounds": 200})


names = st.sampled_from(["rounds", "max_depth", "learning_rate", "seed", "holdout_days"])
numbers = st.integers(1, 500) | st.floats(0.0001, 99.0).map(lambda number: round(number, 6))


@settings(deadline=None, max_examples=40)
@given(
    before=st.dictionaries(names, numbers),
    values=st.dictionaries(names, numbers, min_size=1),
    flow=st.booleans(),
    around=st.sampled_from(["", "shadow:\n  share: 0.2  # a fifth\n", "# Only words.\n"]),
)
def test_what_is_read_afterwards_is_the_old_file_with_the_new_values(
    before: dict[str, Any], values: dict[str, Any], flow: bool, around: str
) -> None:
    one_line = f"training: {yaml.safe_dump(before, default_flow_style=True)}"
    section = one_line if flow else yaml.safe_dump({"training": before})
    old = around + section + around.replace("shadow", "x")
    new = with_values(old, "training", values)
    assert yaml.safe_load(new) == yaml.safe_load(old) | {"training": before | values}
    assert [line for line in lines_lost(old, new) if "#" in line] == []
    assert with_values(new, "training", values) == new


@pytest.fixture
def root(tmp_path: Path) -> Path:
    markets = tmp_path / "test" / "markets"
    markets.mkdir(parents=True)
    (tmp_path / "test" / "environment.yaml").write_text("# nothing\n")
    (markets / "de.yaml").write_text("# Ours.\ntraining:\n  rounds: 20  # quick\n")
    (markets / "us.yaml").write_text("training: {rounds: 30}\n")
    return tmp_path


def files(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (root / "test" / "markets").iterdir()}


def test_the_found_set_is_what_the_next_week_reads(root: Path) -> None:
    path = store_training("test", "de", FOUND, root)
    assert path.read_text() == "# Ours.\ntraining:\n  rounds: 200  # quick\n  max_depth: 6\n  learning_rate: 0.055\n"
    training = load_environment("test", root).market("de").training
    assert (training.rounds, training.max_depth, training.learning_rate) == (200, 6, 0.055)
    assert files(root).keys() == {"de.yaml", "us.yaml"}


def test_values_that_the_config_does_not_allow_leave_the_old_file(root: Path) -> None:
    before = files(root)
    with pytest.raises(DataError, match="learning_rate"):
        store_training("test", "de", {"learning_rate": 7.0}, root)
    assert files(root) == before


def test_a_file_that_is_changed_meanwhile_keeps_that_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "test" / "markets" / "de.yaml"

    def change_and_load(name: str, folder: Path) -> None:
        path.write_text("training: {seed: 9}\n")

    monkeypatch.setattr("libs.base.market_file.load_from", change_and_load)
    with pytest.raises(DataError, match="changed by somebody else"):
        store_training("test", "de", FOUND, root)
    assert files(root)["de.yaml"] == "training: {seed: 9}\n"
    assert files(root).keys() == {"de.yaml", "us.yaml"}


def test_an_interruption_leaves_the_old_file_and_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(root)

    def interrupted(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("libs.base.market_file.shutil.copymode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store_training("test", "de", FOUND, root)
    assert files(root) == before


def test_a_link_to_a_file_stays_a_link(root: Path) -> None:
    path = root / "test" / "markets" / "de.yaml"
    elsewhere = root / "shared.yaml"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    store_training("test", "de", FOUND, root)
    assert path.is_symlink()
    assert load_environment("test", root).market("de").training.rounds == 200


def test_a_file_that_cannot_be_edited_is_named_with_what_to_write_there(root: Path) -> None:
    (root / "test" / "markets" / "de.yaml").write_text("training: [1]\n")
    with pytest.raises(DataError, match=r"de\.yaml: .* Write the values there yourself: \{rounds: 200"):
        store_training("test", "de", FOUND, root)
