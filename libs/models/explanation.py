"""Why this size: short sentences, each true of the features the answer was made from."""

from dataclasses import dataclass

import numpy as np

from libs.features.assembly import Floats, article_offset, misfit_rates
from libs.features.lookup import Snapshot
from libs.models.contract import Basis

# An article is said to run small or large from half an EU size on, and only once enough kept lines say so.
_OFFSET_WORTH_SAYING = 0.5
_MIN_GAPS = 5
# A misfit rate is worth a sentence when it is this many times its category's, on at least so many lines.
_RATE_RATIO = 1.5
_MIN_LINES = 20


@dataclass(frozen=True)
class Explainer:
    """Explains the answers of one snapshot; the rates are computed once for all of its questions."""

    snapshot: Snapshot
    body_size: Floats
    offset: Floats
    small: dict[str, Floats]
    large: dict[str, Floats]

    @classmethod
    def of(cls, snapshot: Snapshot, body_size: Floats) -> "Explainer":
        values = snapshot.requests.values
        return cls(
            snapshot, body_size, article_offset(values), misfit_rates(values, "small"), misfit_rates(values, "large")
        )

    def basis(self, question: int) -> Basis:
        """The narrowest evidence there is on either side."""
        values = self.snapshot.requests.values
        if values["kept_n"][question] > 0:
            customer = "history"
        else:
            customer = "market" if np.isnan(self.body_size[question]) else "body"
        levels = (level for level in ("article", "brand", "category") if values[f"{level}_n"][question] > 0)
        return Basis(customer, next(levels, "market"))  # type: ignore[arg-type]  # both are of the literals

    def reasons(self, question: int) -> list[str]:
        """The customer's side first, then the article's."""
        return [*self._customer(question), *self._article(question)]

    def _customer(self, question: int) -> list[str]:
        values = self.snapshot.requests.values
        kept, small, large = (int(values[name][question]) for name in ("kept_n", "small_n", "large_n"))
        if kept:
            said = [f"this customer kept {kept} of {kept + small + large} purchases in comparable sizes"]
            position, nearest = self._usual_size(question)
            said.append(f"on average at EU {position:.1f}, nearest to size {nearest} of this article")
            return [", ".join(said)]
        if not np.isnan(self.body_size[question]):
            return ["there is no purchase history in comparable sizes; height and weight suggest the size"]
        return ["nothing is known of this customer's size; the answer is the market's experience with the article"]

    def _usual_size(self, question: int) -> tuple[float, str]:
        requests = self.snapshot.requests
        usual = float(requests.values["kept_sum"][question] / requests.values["kept_n"][question])
        positions = requests.size_values["positions"][requests.offsets[question] : requests.offsets[question + 1]]
        return usual, self.snapshot.sizes[question][int(np.argmin(np.abs(positions - usual)))]

    def _article(self, question: int) -> list[str]:
        values = self.snapshot.requests.values
        said = []
        offset = float(self.offset[question])
        if values["article_gap_n"][question] >= _MIN_GAPS and abs(offset) >= _OFFSET_WORTH_SAYING:
            direction = "above" if offset > 0 else "below"
            said.append(f"customers keep this article {abs(offset):.1f} EU sizes {direction} their usual size")
        if values["article_n"][question] >= _MIN_LINES:
            for side, rates in (("small", self.small), ("large", self.large)):
                own, category = float(rates["article"][question]), float(rates["category"][question])
                if own >= _RATE_RATIO * category:
                    said.append(
                        f"it is returned as too {side} {own / category:.1f} times as often as its category "
                        f"({own:.0%} against {category:.0%})"
                    )
        return said
