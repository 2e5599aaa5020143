"""One driver's connection to the environment's Ray cluster."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from libs.base.endpoints import Endpoints
from libs.base.errors import TransientError


@contextmanager
def connected(endpoints: Endpoints) -> Iterator[None]:
    """Be a driver of the cluster for the length of a `with` block; inside an existing connection, join it.

    Raises:
        TransientError: the cluster does not answer.
    """
    if ray.is_initialized():
        yield
        return
    endpoints.use_ray_token()
    try:
        ray.init(address=endpoints.ray_address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise TransientError(
            f"no Ray cluster answers at {endpoints.ray_address}: {error}. "
            f"See `fitwave status`; start it with `fitwave up`."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
