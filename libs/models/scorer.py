"""The living model of a replica: versions loaded by market, swapped without a gap."""

import time
from collections.abc import Mapping
from pathlib import Path

from libs.base.errors import InvariantError
from libs.features.snapshot import Snapshot
from libs.models.contract import ModelRef, answered
from libs.models.package import Package, load
from libs.models.recommendation import recommend
from libs.models.score_call import Scored
from libs.models.traffic import TrafficWatch


class Scorer:
    """Holds the current package of each market of a replica, and lets `traffic` look at what is asked."""

    def __init__(self, traffic: TrafficWatch | None = None) -> None:
        self._traffic = traffic
        self._models: Mapping[str, tuple[ModelRef, Package]] = {}

    def set_models(self, models: Mapping[str, ModelRef]) -> None:
        """Load what is new and swap all at once; on any error the old models stay.

        Raises:
            DataError: a package is absent, altered, or made for other features.
        """
        self._models = {market: self._loaded(market, ref) for market, ref in models.items()}

    def _loaded(self, market: str, ref: ModelRef) -> tuple[ModelRef, Package]:
        current = self._models.get(market)
        if current is not None and current[0] == ref:
            return current
        return ref, load(Path(ref.path), ref.sha256)

    def score(self, market: str, snapshot: Snapshot, article_ids: list[str]) -> Scored:
        """Answer a batch of one market's questions."""
        try:
            ref, package = self._models[market]
        except KeyError:
            raise InvariantError(f"this replica has no model for market {market!r}") from None
        begin = time.perf_counter()
        answers = [answered(one) for one in recommend(package, snapshot, article_ids)]
        seconds = time.perf_counter() - begin
        if self._traffic is not None and not snapshot.store_away:
            self._traffic.look(market, ref, package, snapshot)
        return Scored(ref.version, answers, seconds, snapshot.as_of, snapshot.store_away)
