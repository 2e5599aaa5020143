"""One driver's connection to the environment's Ray cluster."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private.ray_constants import ENABLE_RAY_CLUSTER

from libs.base.endpoints import LOOPBACK_SWITCH, Endpoints
from libs.base.errors import InvariantError, TransientError

_REACHABLE_S = 5.0


@contextmanager
def connected(endpoints: Endpoints) -> Iterator[None]:
    """Be a driver of the cluster for the length of a `with` block; inside an existing connection, join it.

    Raises:
        TransientError: the cluster does not answer.
        InvariantError: Ray was imported before `resolve` had made the process ready for a loopback cluster.
    """
    if ray.is_initialized():
        yield
        return
    if endpoints.ray_address.startswith("127.") and ENABLE_RAY_CLUSTER:
        raise InvariantError(f"Ray was imported before {LOOPBACK_SWITCH} was set; call `resolve` first")
    _require_reachable(endpoints.ray_address)
    try:
        ray.init(address=endpoints.ray_address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise _unreachable(endpoints.ray_address, error) from error
    # Ray Data narrates every execution at INFO; the job's own lines say what is going on.
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


def _require_reachable(address: str) -> None:
    """Fail in seconds: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_REACHABLE_S).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> TransientError:
    return TransientError(
        f"no Ray cluster answers at {address}: {error}. See `fitwave status`; start it with `fitwave up`."
    )
