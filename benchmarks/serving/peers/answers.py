"""What every peer answers: the best size of each article and the probabilities of all, without reasons."""

from collections.abc import Sequence
from typing import Any

from libs.features.snapshot import Snapshot
from libs.models.outcomes import FIT
from libs.models.package import Package


def best_sizes(package: Package, asked: Snapshot, article_ids: Sequence[str]) -> list[dict[str, Any]]:
    """One pass of the model over one question's articles, all of which are online."""
    predicted = package.predict(asked.requests)
    offsets = asked.requests.offsets
    answers = []
    for index, article_id in enumerate(article_ids):
        rows = predicted[offsets[index] : offsets[index + 1]]
        sizes = [
            {"size": label, "small": small, "fit": fit, "large": large}
            for label, (small, fit, large) in zip(asked.sizes[index], rows.tolist(), strict=True)
        ]
        answers.append({"article_id": article_id, "size": sizes[int(rows[:, FIT].argmax())]["size"], "sizes": sizes})
    return answers
