"""How a version goes live: the stores that a change of roles touches, and what each step of the protocol does to them.

The ledger decides; registry and Serve are always made from it (see `libs.models.protocol`), so that whatever a killed
run has left is put right by the next request, whoever makes it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.redis_lock import Held, hold
from libs.base.redis_url import connect
from libs.models.fingerprint import require_whole
from libs.models.history import History, Roles
from libs.models.ledger import Action, Ledger
from libs.models.production import require_fit
from libs.models.protocol import Step, Walk, run
from libs.models.registry import Registry, Role, Version
from libs.models.role_request import Request
from libs.models.serve_api import apply
from libs.models.serving_plan import Challenger, LiveState, render

log = logging.getLogger(__name__)
# Longer than any single change takes.
_PATIENCE_S = 300.0
_REDIS_TIMEOUT_S = 5.0
# What a production environment looks at. Not a rollback: at night, what was live before is better than what is failing.
_GIVES_A_NEW_ROLE: tuple[Action, ...] = ("first", "shadow", "promote")
# Before it is decided: living replicas would be told to load what they refuse, and those that start later could not.
_CHANGES_THE_CHAMPION: tuple[Action, ...] = ("promote", "rollback")


@dataclass(frozen=True)
class Lifecycle:
    """One environment's ledger, registry and Serve."""

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

    def history(self, market: str) -> History:
        """What the ledger says of a market; where it is empty, the registry's roles stand.

        A version that got its role by hand, in MLflow, and that production is not to have, has none, and a warning says
        so: refusing would hold up every other market, and a rollback at night.
        """
        entries = tuple(self.ledger.entries(market))
        if entries:
            return History(entries, self.ledger.is_settled(market, len(entries)))
        found = {role: one.number for role, one in self.registry.holders(market).items() if self._is_fit(one)}
        return History(found=Roles(found.get("champion"), found.get("challenger")))

    def _is_fit(self, version: Version) -> bool:
        try:
            require_fit(self.environment, _named(version), version.tags)
        except DataError as error:
            log.warning("not served, though MLflow has a role for it: %s", error)
            return False
        return True

    def state(self) -> LiveState:
        """What Serve is to run: who has which role."""
        roles = {name: self.history(name).roles for name in self.environment.markets}
        champions = {name: one.champion for name, one in roles.items() if one.champion}
        challengers = {name: one.challenger for name, one in roles.items() if one.challenger}
        return LiveState(
            {name: self.registry.version(name, number).ref for name, number in champions.items()},
            {
                name: Challenger(
                    self.registry.version(name, number).ref, str(roles[name].window), roles[name].canary_share
                )
                for name, number in challengers.items()
            },
        )

    @contextmanager
    def unchanging(self) -> Iterator[LiveState]:
        """Who has which role, and nobody changes it for the length of a `with` block.

        Raises:
            TransientError: Redis or MLflow is away, or somebody changes roles for long.
        """
        with connect(self.endpoints.redis_url, _REDIS_TIMEOUT_S) as client, _alone(client, self.environment):
            yield self.state()

    def change(self, request: Request) -> Walk:
        """Change roles, or complete what a killed run has left.

        Raises:
            DataError: the request is refused: the roles are not what it was made upon, Serve does not take it, or the
                environment is production and the version is not for it.
            TransientError: Redis, MLflow or Serve is away; the same request again goes on from there.
        """
        with RoleStores(self) as stores:
            return run(request, stores)

    def publish(self) -> None:
        """Make registry and Serve follow the ledger.

        Raises: as `change`.
        """
        self.change(Request("publish", tuple(sorted(self.environment.markets))))

    def go_live(self, version: Version, evidence: Mapping[str, Any]) -> str:
        """Deploy an accepted version: as a shadow, or, where nothing is live yet, as the first champion.

        A challenger that is still in its window is replaced, and its window ends. Returns the role that the version
        has; or what has become of it, if it was deployed before. One that cannot be deployed loses the role again, so
        that it does not stand in the way of the next deployment.

        Raises: as `change`.
        """
        walk = self.change(Request("deploy", (version.market,), version.number, evidence=evidence))
        roles = walk.history.roles
        if version.number == roles.champion:
            return "champion"
        if version.number == roles.challenger:
            return "challenger"
        return walk.history.statuses().get(version.number, version.tags)["fitwave.status"]


def _named(version: Version) -> str:
    return f"version {version.number} of market {version.market!r}"


def _alone(client: Redis, environment: Environment) -> AbstractContextManager[Held]:
    # One for all markets: Serve takes one document for all of them.
    name = f"fitwave:{{{environment.name}}}:roles"
    return hold(client, name, _PATIENCE_S, f"somebody else has been changing roles for {_PATIENCE_S:g} s; try again")


class RoleStores:
    """Does the steps of one walk to the real stores."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._redis = connect(lifecycle.endpoints.redis_url, _REDIS_TIMEOUT_S)
        self._lock = ExitStack()
        self._held: Held | None = None
        self._steps: dict[Step, Callable[[Walk], Any]] = {
            "look": self._read,
            "lock": self._take_lock,
            "read": self._read,
            "commit": self._commit,
            "champion": lambda walk: self._assign(walk, "champion"),
            "challenger": lambda walk: self._assign(walk, "challenger"),
            "tag": self._tag,
            "render": self._render,
            "serve": self._serve,
            "settle": self._settle,
            "release": lambda _: self._lock.close(),
        }

    def __enter__(self) -> "RoleStores":
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._lock.callback(self._redis.close)

    def holding(self) -> bool:
        return self._held is not None and self._held.is_mine()

    def do(self, walk: Walk) -> Any:
        return self._steps[walk.step](walk)

    def _read(self, walk: Walk) -> tuple[History, ...]:
        return tuple(self._lifecycle.history(market) for market in walk.request.markets)

    def _take_lock(self, walk: Walk) -> None:
        self._lock.close()
        self._held = self._lock.enter_context(_alone(self._redis, self._lifecycle.environment))

    def _commit(self, walk: Walk) -> bool:
        assert walk.entry is not None
        version = self._lifecycle.registry.version(walk.entry.market, walk.entry.version)
        if walk.entry.action in _GIVES_A_NEW_ROLE:
            require_fit(self._lifecycle.environment, _named(version), version.tags)
        if walk.entry.action in _CHANGES_THE_CHAMPION:
            require_whole(version.ref)
        return self._lifecycle.ledger.append(walk.entry, after=walk.history.mark.number)

    def _assign(self, walk: Walk, role: Role) -> None:
        for market, history in zip(walk.request.markets, walk.histories, strict=True):
            self._lifecycle.registry.assign(market, role, getattr(history.roles, role))

    def _tag(self, walk: Walk) -> None:
        for market, history in zip(walk.request.markets, walk.histories, strict=True):
            self._lifecycle.registry.tag_where_different(market, history.statuses())

    def _render(self, walk: Walk) -> dict[str, Any]:
        lifecycle = self._lifecycle
        return render(lifecycle.environment, lifecycle.endpoints, lifecycle.state())

    def _serve(self, walk: Walk) -> str | None:
        """What Serve has against it, if anything."""
        try:
            apply(self._lifecycle.endpoints, walk.document)
        except DataError as error:
            return str(error)
        return None

    def _settle(self, walk: Walk) -> None:
        for market, history in zip(walk.request.markets, walk.histories, strict=True):
            if not history.settled:
                self._lifecycle.ledger.settle(market, history.mark.number)
