"""The FeatureLookup deployment: the only one that talks to the online feature store."""

import time
from pathlib import Path

from apps.serve.hops import LOOK_UP
from libs.base.metrics import STAGE_SECONDS
from libs.base.telemetry import Telemetry
from libs.calls.called import Called
from libs.features.snapshot import Question
from libs.features.wire import pack

# A read takes milliseconds. A shopper rather has an answer that rests on less than waits for a store that stands still.
_PATIENCE_S = 0.2


class FeatureLookup(Called):
    """Reads the features of a batch of questions, all of one market."""

    def __init__(self, environment: str, home: str, redis_url: str, telemetry: Telemetry | None = None) -> None:
        # Only a replica has a use for Feast; Serve imports this module in a process of its own whenever it deploys.
        from libs.features.definitions import views
        from libs.features.lookup import OnlineLookup
        from libs.features.online import OnlineStore
        from libs.features.sides import Sides

        super().__init__("FeatureLookup", {LOOK_UP: self.look_up}, telemetry)
        store = OnlineStore.open(environment, Path(home), redis_url, _PATIENCE_S)
        self._lookup = OnlineLookup(store, views(), Sides(redis_url, environment, timeout_s=_PATIENCE_S))

    async def look_up(self, market: str, questions: list[Question]) -> bytes:
        """The features as `libs.features.wire.pack` makes them: whoever uses them opens them."""
        begin = time.perf_counter()
        features = pack(self._lookup.look_up(market, questions))
        self.meter.observe(STAGE_SECONDS, time.perf_counter() - begin, market, "features")
        return features
