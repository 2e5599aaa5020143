"""Why this size: short sentences, each true of the features the answer was made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from libs.features.arrays import Floats
from libs.features.assembly import Requests, article_offset, misfit_rates
from libs.features.persons import Persons, account_statistics, persons_of
from libs.features.snapshot import Snapshot
from libs.models.contract import Basis

# The evidence an answer can rest on, narrowest first.
CUSTOMER_BASES = ("history", "body", "market")
ARTICLE_BASES = ("article", "brand", "category", "market")

# An article is said to run small or large from half an EU size on, and only once enough kept lines say so.
_OFFSET_WORTH_SAYING = 0.5
_MIN_GAPS = 5
# A misfit rate is worth a sentence when it is this many times its category's, on at least so many lines.
_RATE_RATIO = 1.5
_MIN_LINES = 20


def bases(requests: Requests) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The narrowest evidence of each of n questions on either side, as indices of the two tuples above, (n,) each."""
    values = requests.values
    kept = account_statistics(requests)["kept_n"]
    customer = np.where(kept > 0, 0, np.where(np.isnan(values["body_position"]), 2, 1))
    known = np.column_stack(
        [values[f"{level}_n"] > 0 for level in ARTICLE_BASES[:-1]] + [np.ones(len(kept), dtype=bool)]
    )
    return customer, known.argmax(axis=1)


@dataclass(frozen=True)
class Explainer:
    """Explains the answers of one snapshot; what it needs is computed once for all of its questions."""

    snapshot: Snapshot
    customer_basis: npt.NDArray[np.int64]
    article_basis: npt.NDArray[np.int64]
    account: Mapping[str, Floats]
    persons: Persons
    offset: Floats
    small: dict[str, Floats]
    large: dict[str, Floats]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Explainer":
        values = snapshot.requests.values
        return cls(
            snapshot,
            *bases(snapshot.requests),
            account_statistics(snapshot.requests),
            persons_of(snapshot.requests),
            article_offset(values),
            misfit_rates(values, "small"),
            misfit_rates(values, "large"),
        )

    def basis(self, question: int) -> Basis:
        """The narrowest evidence there is on either side."""
        customer = CUSTOMER_BASES[self.customer_basis[question]]
        article = ARTICLE_BASES[self.article_basis[question]]
        return Basis(customer, article)  # type: ignore[arg-type]  # both are of the literals

    def reasons(self, question: int) -> list[str]:
        """The customer's side first, then the article's."""
        return [*self._customer(question), *self._article(question)]

    def _customer(self, question: int) -> list[str]:
        match CUSTOMER_BASES[self.customer_basis[question]]:
            case "history":
                return [self._history(question), *self._brand(question)]
            case "body":
                return ["there is no purchase history in comparable sizes; height and weight suggest the size"]
            case _:
                return [
                    "nothing is known of this customer's size; the answer is the market's experience with the article"
                ]

    def _history(self, question: int) -> str:
        kept, small, large = (int(self.account[name][question]) for name in ("kept_n", "small_n", "large_n"))
        said = f"this customer kept {kept} of {kept + small + large} purchases in comparable sizes"
        first = self.persons.first[question]
        if np.isnan(self.persons.border[question]):
            position, nearest = self._usual_size(question, first)
            return f"{said}, on average at EU {position:.1f}, nearest to size {nearest} of this article"
        lower, upper = (self._usual_size(question, person) for person in (first, first + 1))
        return (
            f"{said}, and seems to buy for two people: around EU {lower[0]:.1f} (size {lower[1]} of this article) "
            f"and around EU {upper[0]:.1f} (size {upper[1]})"
        )

    def _usual_size(self, question: int, person: int) -> tuple[float, str]:
        requests = self.snapshot.requests
        usual = float(self.persons.values["kept_sum"][person] / self.persons.values["kept_n"][person])
        positions = requests.size_values["positions"][requests.offsets[question] : requests.offsets[question + 1]]
        return usual, self.snapshot.sizes[question][int(np.argmin(np.abs(positions - usual)))]

    def _brand(self, question: int) -> list[str]:
        """What was kept of this brand, when it is not all that was ever bought."""
        requests = self.snapshot.requests
        span = slice(requests.history_offsets[question], requests.history_offsets[question + 1])
        history = {name: values[span] for name, values in requests.history.items()}
        of_brand = history["same_brand"] > 0
        kept = history["kept"] * of_brand
        if not kept.any() or of_brand.all():
            return []
        position = history["position"][int(np.argmax(kept))]
        worn = of_brand & (history["position"] == position)
        tried = sum(float(history[name][worn].sum()) for name in ("kept", "small", "large"))
        return [f"of this brand it kept EU {position:g} in {int(kept[worn].sum())} of {int(tried)} purchases"]

    def _article(self, question: int) -> list[str]:
        values = self.snapshot.requests.values
        said = []
        offset = float(self.offset[question])
        if values["article_kept_gap_n"][question] >= _MIN_GAPS and abs(offset) >= _OFFSET_WORTH_SAYING:
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
