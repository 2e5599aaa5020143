"""Calls to a deployment: straight to one of its replicas, or by Serve's handle where none is known.

Serve decides how many replicas there are, where, and which are healthy. Only the message itself does not go through it:
Serve's own call costs caller and replica some 2 ms of CPU time, this one a tenth of that.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import grpc
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from libs.base.errors import InvariantError
from libs.calls.connection import Connection, ReplicaLost, open_connection
from libs.calls.frames import Busy, Method
from libs.calls.replicas import Replica, Replicas

log = logging.getLogger(__name__)

R = TypeVar("R")
Way = Literal["direct", "serve"]

# A call that loses its replica is made again. Every method here reads only, so that is safe.
_TRIES = 3
# A replica that could not be reached is not asked for this long: Serve needs about as much to notice that it died.
_AVOID_S = 2.0
# A replica of several that has not been heard of for so long, while calls wait, may stand still: Serve needs seconds to
# find out.
_SILENT_S = 0.25
# What a call by Serve's handle gets when the replica, or one behind it, dies or drains. A bug is none of them.
_LOST_IN_SERVE = (RayActorError, RayServeException, grpc.aio.AioRpcError)


class Caller:
    """Calls one deployment's methods, which must be safe to repeat."""

    def __init__(self, handle: DeploymentHandle[Any], count: Callable[[Way], object] | None = None) -> None:
        """`count` is told the way of each try."""
        self._count = count
        self._handle = handle
        self._replicas = Replicas(handle)
        self._known: tuple[Replica, ...] = ()
        self._connections: dict[Replica, asyncio.Task[Connection]] = {}
        self._avoided: dict[Replica, float] = {}

    def prepare(self) -> None:
        """Begin to be told of replicas now, and not with the first call: that one would have to go by Serve, which may
        take until a replica that just died is found out to be dead.
        """
        self._replicas.follow()

    async def call(self, method: Method[R], *arguments: Any) -> R:
        """The method's result. Cancelling it cancels the work.

        Raises:
            Busy: the replica has as many calls as it takes.
            ReplicaLost: replicas were lost under every try.
            FitwaveError, CalledFailed: what the method raised; by Serve's handle also anything else.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._try(method, arguments)
            except ReplicaLost as error:
                log.warning("%s, try %d of %d: %s", self._handle.deployment_name, attempt, _TRIES, error)
                lost = error
        raise ReplicaLost(f"{self._handle.deployment_name}: replicas were lost under {_TRIES} tries") from lost

    async def _try(self, method: Method[R], arguments: tuple[Any, ...]) -> R:
        replica = self._least_busy()
        if replica is None:
            self._counted("serve")
            return await self._by_serve(method, arguments)
        self._counted("direct")
        if len(self._known) == 1:
            return await self._direct(replica, method, arguments)
        return await self._hedged(replica, method, arguments)

    async def _hedged(self, replica: Replica, method: Method[R], arguments: tuple[Any, ...]) -> R:
        """The replica's answer, or another one's if this one is silent."""
        loop = asyncio.get_running_loop()
        asked = [loop.create_task(self._direct(replica, method, arguments))]
        try:
            while not asked[0].done() and not self._is_silent(replica):
                await asyncio.wait(asked, timeout=_SILENT_S)
            if not asked[0].done():
                self._avoided[replica] = time.monotonic() + _AVOID_S
                other = self._least_busy()
                if other is not None:
                    log.warning("%s: %s is silent", self._handle.deployment_name, replica.port)
                    asked.append(loop.create_task(self._direct(other, method, arguments)))
            return await _first_answer(asked)
        finally:
            for task in asked:
                task.cancel()

    async def _direct(self, replica: Replica, method: Method[R], arguments: tuple[Any, ...]) -> R:
        try:
            connection = await self._connection(replica)
            return await connection.call(method, arguments)
        except ReplicaLost:
            self._connections.pop(replica, None)
            self._avoided[replica] = time.monotonic() + _AVOID_S
            raise

    def _is_silent(self, replica: Replica) -> bool:
        task = self._connections.get(replica)
        return task is not None and _is_connected(task) and task.result().is_silent(_SILENT_S)

    def _counted(self, way: Way) -> None:
        if self._count is not None:
            self._count(way)

    def close(self) -> None:
        """Close the connections, each once its calls in flight are answered."""
        while self._connections:
            _, opening = self._connections.popitem()
            opening.add_done_callback(_retire)

    def _least_busy(self) -> Replica | None:
        """The replica with the fewest of our calls in flight: one that hangs is soon left alone."""
        self._follow()
        now = time.monotonic()
        reachable = [one for one in self._known if self._avoided.get(one, 0.0) <= now]
        # Drawn, so that with few calls each has its share, and none is met for the first time when another dies.
        random.shuffle(reachable)
        return min(reachable, key=self._in_flight, default=None)

    def _follow(self) -> None:
        """Take the replicas that run now, and let go of those that do not."""
        known = self._replicas.listening()
        if known is self._known:
            return
        self._known = known
        self._avoided = {one: until for one, until in self._avoided.items() if one in known}
        for gone in self._connections.keys() - set(known):
            self._connections.pop(gone).add_done_callback(_retire)

    def _in_flight(self, replica: Replica) -> int:
        task = self._connections.get(replica)
        return task.result().in_flight if task is not None and _is_connected(task) else 0

    async def _connection(self, replica: Replica) -> Connection:
        task = self._connections.get(replica)
        if task is None:
            task = asyncio.get_running_loop().create_task(open_connection(replica))
            self._connections[replica] = task
        # Others may wait for the same connection: one that goes away does not take it along.
        return await asyncio.shield(task)

    async def _by_serve(self, method: Method[R], arguments: tuple[Any, ...]) -> R:
        response: Any = getattr(self._handle, method.name).remote(*arguments)
        try:
            result: R = await response
        except asyncio.CancelledError:
            response.cancel()  # or the replica would go on working for nobody
            raise
        except BackPressureError as error:
            raise Busy(f"the queues of {self._handle.deployment_name} are full: {error}") from error
        except _LOST_IN_SERVE as error:
            raise ReplicaLost(f"Serve lost a replica of {self._handle.deployment_name}: {error}") from error
        return result


async def _first_answer(asked: "list[asyncio.Task[R]]") -> R:
    """What the first of them answers; the last one's error if none does."""
    for count, answered in enumerate(asyncio.as_completed(asked), start=1):
        try:
            return await answered
        except (ReplicaLost, Busy):
            if count == len(asked):
                raise
    raise InvariantError("nobody was asked")


def _retire(task: "asyncio.Task[Connection]") -> None:
    if _is_connected(task):
        task.result().retire()


def _is_connected(task: "asyncio.Task[Connection]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
