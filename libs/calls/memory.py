"""A replica that takes ever more memory is replaced before the node has none left, and takes others with it."""

import psutil

from libs.base.errors import InvariantError

_MIB = 2**20


def require_memory_below(limit_mib: int) -> None:
    """Raises: InvariantError: this process holds more than so many MiB of the node's memory."""
    taken_mib = psutil.Process().memory_info().rss // _MIB
    if taken_mib > limit_mib:
        raise InvariantError(
            f"this replica takes {taken_mib} MiB of memory, and serving.memory_limit_mib is {limit_mib}: it is replaced"
        )
