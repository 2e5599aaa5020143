"""A model version as two files: the booster in XGBoost's own binary JSON and everything else as JSON. No pickle."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from libs.base.errors import DataError, InvariantError
from libs.base.frozen import Frozen
from libs.base.market import Recommendation
from libs.base.stored_format import decoding
from libs.features.assembly import FEATURES, NOT_CHOSEN, Matrix, Requests, assemble
from libs.features.sizes import SCALES
from libs.models.abstention import Abstention
from libs.models.fingerprint import BOOSTER_FILE, CARD_FILE, read, require_registered, sha256_of
from libs.models.ordinal import Calibration, Probabilities, margins, probabilities

# Raised when a reader of the old format would answer wrongly.
FORMAT = 3


class Card(Frozen):
    """What `package.json` holds."""

    format: int
    market: str
    features: tuple[str, ...]
    feature_dtype: str
    scales: tuple[str, ...]
    calibration: Calibration
    calibration_chosen: Calibration
    recommendation: Recommendation
    abstention: Abstention
    training: dict[str, Any]


@dataclass(frozen=True)
class Package:
    """A model ready to predict."""

    card: Card
    booster: xgb.Booster

    def predict(self, requests: Requests) -> Probabilities:
        """P(small), P(fit), P(large) of every candidate size, (m, 3).

        Raises:
            InvariantError: the model gives what is no number.
        """
        assembled = assemble(requests)
        raw = margins(self.booster, assembled.rows)
        chosen = (requests.chosen != NOT_CHOSEN)[requests.question_of_size[assembled.candidate]]
        of_persons = np.where(
            chosen[:, None],
            probabilities(raw, self.card.calibration_chosen),
            probabilities(raw, self.card.calibration),
        )
        # A mixture of curves that never rise (or never fall) with the size is one, too.
        weighted = of_persons * assembled.weight[:, None]
        count = int(requests.offsets[-1])
        found: Probabilities = np.column_stack(
            [np.bincount(assembled.candidate, column, minlength=count) for column in weighted.T]
        )
        if not np.isfinite(found).all():
            raise InvariantError(f"the model of market {self.card.market!r} gives probabilities that are no numbers")
        return found

    def inputs(self, requests: Requests) -> Matrix:
        """The model's input for every candidate size, (m, len(FEATURES)), of the person it would be bought for."""
        assembled = assemble(requests)
        return assembled.rows[assembled.nearest]


def new_card(
    market: str,
    calibration: Calibration,
    calibration_chosen: Calibration,
    recommendation: Recommendation,
    abstention: Abstention,
    training: dict[str, Any],
) -> Card:
    """The card of a model fitted by this code."""
    return Card(
        format=FORMAT,
        market=market,
        features=FEATURES,
        feature_dtype="float32",
        scales=SCALES,
        calibration=calibration,
        calibration_chosen=calibration_chosen,
        recommendation=recommendation,
        abstention=abstention,
        training=training,
    )


def save(package: Package, folder: Path) -> None:
    """Write both files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    package.booster.save_model(folder / BOOSTER_FILE)
    text = json.dumps(package.card.model_dump(mode="json"), indent=1, sort_keys=True)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def windows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines a package was trained, calibrated and judged on: how many, from when to when."""
    return dict(_card(folder, read(folder, CARD_FILE)).training["windows"])


class OtherFormatError(DataError):
    """A package of a release whose features are not those of this code."""


def _card(folder: Path, content: bytes) -> Card:
    with decoding(f"{folder / CARD_FILE} is not a package card"):
        values = json.loads(content)
        # Before all else: a card of another format has other fields.
        if values["format"] != FORMAT:
            raise OtherFormatError(
                f"{folder} is of format {values['format']}, and this code reads {FORMAT}: answer with the release that "
                f"made it, or train the market again with this code"
            )
        return Card.model_validate(values)


def load(folder: Path, sha256: str | None = None, threads: int = 1) -> Package:
    """Read a package, checking its fingerprint first when one is given.

    Raises:
        OtherFormatError: the package is of another release.
        DataError: a file is absent or altered.
    """
    # Read once: what is parsed is what was checked, whoever writes to the folder meanwhile.
    booster_bytes, card_bytes = read(folder, BOOSTER_FILE), read(folder, CARD_FILE)
    if sha256 is not None:
        require_registered(folder, sha256_of(booster_bytes, card_bytes), sha256)
    card = _card(folder, card_bytes)
    if (card.features, card.scales) != (FEATURES, SCALES):
        raise OtherFormatError(f"{folder} was made for other features; train the market again with this code")
    booster = xgb.Booster({"nthread": threads})
    try:
        booster.load_model(bytearray(booster_bytes))
    except xgb.core.XGBoostError as error:
        raise DataError(f"{folder / BOOSTER_FILE} is not a booster: {error}") from error
    return Package(card, booster)
