"""Which replicas of a deployment take direct calls, as Serve keeps telling everybody who has a handle."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.serve.handle import DeploymentHandle


class Replica(NamedTuple):
    """Where a replica listens, and what proves to it that Serve told us so."""

    host: str
    port: int
    token: str


class Replicas:
    """Follows the replicas of one handle's deployment."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._running: Mapping[Any, Any] = {}
        self._listening: tuple[Replica, ...] = ()

    def follow(self) -> None:
        """Begin to be told; the loop that is to be told on must run."""
        self._handle.options()

    def listening(self) -> tuple[Replica, ...]:
        """Those that run now and listen; another tuple each time they change.

        None before `follow` or the handle's first call, with which it begins to be told.
        """
        running = _running(self._handle)
        if running is not self._running:
            self._running = running
            published = [one.replica_metadata for one in running.values()]
            self._listening = tuple(Replica(**metadata) for metadata in published if metadata)
        return self._listening


_NOBODY: Mapping[Any, Any] = {}


def _running(handle: DeploymentHandle[Any]) -> Mapping[Any, Any]:
    # NOTE: the one place that reaches behind Serve's interface. The public way to be told, a request router of one's
    # own, is refused behind HAProxy for an application's first deployment, and a challenger has no other.
    router = handle._router
    if router is None:
        return _NOBODY
    choosing = router._asyncio_router.request_router  # type: ignore[attr-defined]  # both kinds of router have it
    return _NOBODY if choosing is None else choosing.curr_replicas
