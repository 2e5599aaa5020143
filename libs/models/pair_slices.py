"""The parts of the traffic a challenger may fail for alone: by division, and by what the features rest on."""

from libs.features.sizes import SCALES
from libs.features.snapshot import Snapshot
from libs.models.explanation import ARTICLE_BASES, CUSTOMER_BASES, bases

_DIVISIONS = tuple(scale.partition("-")[0] for scale in SCALES)

# Named as the slices of the standards.
PAIR_SLICES = (
    *(f"division_{name}" for name in dict.fromkeys(_DIVISIONS)),
    *(f"basis_{customer}_{article}" for customer in CUSTOMER_BASES for article in ARTICLE_BASES),
)


def pair_slices(snapshot: Snapshot, questions: int) -> list[list[str]]:
    """The slices that each question of a batch is in; none when its article is not online."""
    found: list[list[str]] = [[] for _ in range(questions)]
    customers, articles = bases(snapshot.requests)
    scales = snapshot.requests.values["scale"]
    for question, scale, customer, article in zip(snapshot.known, scales, customers, articles, strict=True):
        basis = f"basis_{CUSTOMER_BASES[customer]}_{ARTICLE_BASES[article]}"
        found[question] = [f"division_{_DIVISIONS[int(scale)]}", basis]
    return found
