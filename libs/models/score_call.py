"""How a SizeModel is asked, and what it answers: whoever calls it needs no model, and so no XGBoost."""

from dataclasses import dataclass
from datetime import datetime

from libs.calls.frames import Method
from libs.models.contract import Answered


@dataclass(frozen=True)
class Scored:
    """A batch's answers, the version that gave them, the seconds the model itself took, the cut-off of the features
    that they rest on, and whether the online store was away when these were looked up.
    """

    version: str
    recommendations: list[Answered]
    seconds: float
    features_as_of: datetime | None = None
    store_away: bool = False


# Market, features as `libs.features.wire.pack` makes them, article ids.
SCORE = Method("score", tuple[str, bytes, list[str]], Scored)
