"""How a SizeModel is asked, and what it answers: whoever calls it needs no model, and so no XGBoost."""

from dataclasses import dataclass
from datetime import datetime

from libs.calls.frames import Method
from libs.models.contract import Answered


@dataclass(frozen=True)
class Scored:
    """A batch's answers, the version that gave them, the seconds the model itself took, and the cut-off of the features
    that they rest on.
    """

    version: str
    recommendations: list[Answered]
    seconds: float
    features_as_of: datetime | None = None


# Market, features as `libs.features.wire.pack` makes them, article ids.
SCORE = Method("score", tuple[str, bytes, list[str]], Scored)
