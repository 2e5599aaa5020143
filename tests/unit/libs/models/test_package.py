"""A package: two files, checked by hash before they are read, refused when they are not what they were."""

import json
from pathlib import Path

import numpy as np
import pytest

from libs.base.errors import DataError, InvariantError
from libs.features.frames import requests_from_training
from libs.models.contract import ModelRef
from libs.models.fingerprint import BOOSTER_FILE, CARD_FILE, fingerprint, require_whole
from libs.models.package import OtherFormatError, load, save
from libs.models.training import Fitted


@pytest.fixture
def folder(fitted: Fitted, tmp_path: Path) -> Path:
    save(fitted.package, tmp_path / "package")
    return tmp_path / "package"


def test_a_saved_package_predicts_the_same_bits(fitted: Fitted, folder: Path) -> None:
    requests = requests_from_training(fitted.holdout)
    again = load(folder, fingerprint(folder))
    assert again.predict(requests).tobytes() == fitted.package.predict(requests).tobytes()


def test_an_answer_does_not_depend_on_who_else_is_in_the_batch(fitted: Fitted) -> None:
    together = fitted.package.predict(requests_from_training(fitted.holdout))
    alone = [fitted.package.predict(requests_from_training(fitted.holdout.slice(index, 1))) for index in range(20)]
    assert np.concatenate(alone).tobytes() == together[: sum(map(len, alone))].tobytes()


@pytest.mark.parametrize("name", [BOOSTER_FILE, CARD_FILE])
def test_an_altered_file_is_refused(folder: Path, name: str) -> None:
    sha256 = fingerprint(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match="not the registered package"):
        load(folder, sha256)


def test_a_package_for_other_features_is_refused_and_says_what_to_do(folder: Path) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    card["features"] = card["features"][1:]
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(DataError, match="train the market again"):
        load(folder)


@pytest.mark.parametrize("name", [BOOSTER_FILE, CARD_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=name):
        load(folder, "0" * 64)


def test_rubbish_in_place_of_a_booster_is_refused(folder: Path) -> None:
    (folder / BOOSTER_FILE).write_bytes(b"not a model")
    with pytest.raises(DataError, match="is not a booster"):
        load(folder)


@pytest.mark.parametrize("other", [2, 4])
def test_a_card_of_another_format_is_refused_before_its_fields_are_looked_at(folder: Path, other: int) -> None:
    (folder / CARD_FILE).write_text(json.dumps({"format": other, "fields": "of its own"}))
    with pytest.raises(OtherFormatError, match=rf"of format {other}, and this code reads 3: .* train the market again"):
        load(folder)


def test_probabilities_that_are_no_numbers_are_no_answer(fitted: Fitted, folder: Path) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    for name in ("calibration", "calibration_chosen"):
        card[name]["intercepts"] = [float("nan"), 0.0]
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(InvariantError, match="no numbers"):
        load(folder).predict(requests_from_training(fitted.holdout))


def test_a_version_is_whole_until_a_byte_of_it_changes(folder: Path) -> None:
    ref = ModelRef("1", str(folder), fingerprint(folder))
    require_whole(ref)
    (folder / BOOSTER_FILE).write_bytes(b"altered")
    with pytest.raises(DataError, match="is not the registered package"):
        require_whole(ref)
