"""The FeatureLookup deployment: the only one that talks to the online feature store."""

from pathlib import Path

from libs.features.definitions import repository, views
from libs.features.lookup import OnlineLookup, Question, Snapshot
from libs.features.online import OnlineStore


class FeatureLookup:
    """Reads the features of a batch of questions, all of one market."""

    def __init__(self, environment: str, home: str, redis_url: str) -> None:
        self._lookup = OnlineLookup(OnlineStore(repository(environment, Path(home), redis_url)), views())

    async def look_up(self, market: str, questions: list[Question]) -> Snapshot:
        """Raises: TransientError: the online store is away."""
        return self._lookup.look_up(market, questions)
