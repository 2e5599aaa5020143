"""How a version goes live: roles in the registry, entries in the ledger, and Serve made to follow.

The registry decides. Serve is always made from it, so that a run that was killed between the two is completed by the
next `publish`, whoever calls it.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.redis_lock import hold
from libs.base.redis_url import connect
from libs.models.ledger import Entry, Ledger
from libs.models.registry import Registry, Role, Version
from libs.models.serving_plan import Challenger, LiveState, apply, render

# Longer than any single change takes.
_PATIENCE_S = 300.0
_REDIS_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Lifecycle:
    """The stores that a change of roles touches."""

    environment: Environment
    endpoints: Endpoints
    registry: Registry
    ledger: Ledger

    @classmethod
    def of(cls, environment: Environment, endpoints: Endpoints) -> "Lifecycle":
        artifacts = environment.home / "mlflow" / "artifacts"
        return cls(
            environment,
            endpoints,
            Registry(environment.name, endpoints.mlflow_uri, artifacts),
            Ledger(environment.home),
        )

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only one who changes roles in this environment.

        Raises:
            TransientError: Redis is away, or somebody else holds the lock for too long.
        """
        client = connect(self.endpoints.redis_url, _REDIS_TIMEOUT_S)
        busy = f"somebody else has been changing roles for {_PATIENCE_S:g} s; try again"
        with closing(client), hold(client, f"fitwave:{{{self.environment.name}}}:roles", _PATIENCE_S, busy):
            yield

    def state(self) -> LiveState:
        """Who has which role, read from the registry."""
        champions = {name: self.registry.holder(name, "champion") for name in self.environment.markets}
        challengers = {name: self.registry.holder(name, "challenger") for name in self.environment.markets}
        return LiveState(
            {name: version.ref for name, version in champions.items() if version},
            {name: Challenger(version.ref, self.window(version)) for name, version in challengers.items() if version},
        )

    def window(self, challenger: Version) -> str:
        """The name of a challenger's shadow window: its version and when it began."""
        return f"v{challenger.number}-{challenger.tags.get('fitwave.shadow_since', 'unknown')}"

    def publish(self) -> None:
        """Make Serve run what the registry says."""
        apply(self.endpoints, render(self.environment, self.endpoints, self.state()))

    def go_live(self, version: Version, evidence: dict[str, Any]) -> Role:
        """Deploy an accepted version: as a shadow, or, where nothing is live yet, as the first champion.

        A challenger that is still in its window is replaced, and its window ends. Returns the role given. A version
        that cannot be deployed loses the role again, so that it does not stand in the way of the next deployment.

        Raises:
            DataError: Serve does not take the version.
            TransientError: Redis, MLflow or Serve is away.
        """
        with self.changing():
            role = self._take_role(version, evidence)
            try:
                self.publish()
            except DataError as error:
                self._take_back(version, role, str(error))
                raise
        return role

    def _take_back(self, version: Version, role: Role, reason: str) -> None:
        self.registry.release(version.market, role)
        self.registry.tag(version.market, version.number, {"fitwave.status": "not deployed", "fitwave.reason": reason})
        self.ledger.append(Entry(version.market, "reject", version.number, None, f"not deployed: {reason}"))
        self.publish()

    def _take_role(self, version: Version, evidence: dict[str, Any]) -> Role:
        champion = self.registry.holder(version.market, "champion")
        if champion is None or champion.number == version.number:
            self.registry.assign(version.market, "champion", version.number, None)
            reason = "the first version of this market"
            self.ledger.append(Entry(version.market, "first", version.number, None, reason, evidence))
            return "champion"
        replaced = self.registry.holder(version.market, "challenger")
        if replaced is None or replaced.number != version.number:
            since = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(":", "")
            self.registry.tag(version.market, version.number, {"fitwave.shadow_since": since})
            if replaced is not None:
                self.registry.tag(version.market, replaced.number, {"fitwave.status": "replaced"})
            self.registry.assign(version.market, "challenger", version.number, replaced.number if replaced else None)
        # A run that was killed may have got as far as the role.
        if not self._was_shadowed(version):
            reason = "met the standards"
            self.ledger.append(Entry(version.market, "shadow", version.number, champion.number, reason, evidence))
        return "challenger"

    def _was_shadowed(self, version: Version) -> bool:
        entries = self.ledger.entries(version.market)
        return any((one.action, one.version) == ("shadow", version.number) for one in entries)
