"""Redis by URL: one server, Sentinel or Cluster, with a password and with TLS.

| `redis_url` | what it is |
|---|---|
| `redis://[[user]:password@]host:6379/0` | one server |
| `redis+sentinel://[[user]:password@]host:26379,host:26379/service/0` | the master that Sentinels name |
| `redis+cluster://[[user]:password@]host:7000,host:7001` | a Cluster, found through any of its nodes |
| `env:NAME` | one of those, which stands in the environment variable NAME: the password is in no config or document |

`rediss` in place of `redis` is TLS, of which `?ssl_ca_certs=`, `ssl_certfile`, `ssl_keyfile` and `ssl_check_hostname`
say more. Sentinels have a password of their own: `?sentinel_password=`, and `sentinel_username`.
"""

import os
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.cluster
import redis.exceptions
import redis.retry
import redis.sentinel
from redis.backoff import NoBackoff

from libs.base.errors import DataError, TransientError

Kind = Literal["server", "sentinel", "cluster"]

_KINDS: dict[str, Kind] = {"": "server", "sentinel": "sentinel", "cluster": "cluster"}
_REFERENCE = "env:"
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_SENTINEL = ("sentinel_username", "sentinel_password")
# What a client raises where Redis is away or too slow. To redis-py a Cluster of which no node answers is no RedisError.
AWAY: tuple[type[Exception], ...] = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
_PORT = {"server": 6379, "sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True)
class RedisUrl:
    """A parsed URL. `text` is what it says without secrets."""

    kind: Kind
    nodes: tuple[tuple[str, int], ...]
    service: str
    db: int
    tls: bool
    username: str | None
    password: str | None
    options: dict[str, Any]
    sentinel_options: dict[str, Any]

    @classmethod
    def parse(cls, url: str) -> "RedisUrl":
        """Read a URL.

        Raises:
            DataError: it is none of those above; the message does not hold its password.
        """
        parts = urlsplit(_resolved(url))
        scheme, _, kind = parts.scheme.partition("+")
        userinfo, _, hosts = parts.netloc.rpartition("@")
        path = [part for part in parts.path.split("/") if part]
        query = dict(parse_qsl(parts.query))
        if scheme not in ("redis", "rediss") or kind not in _KINDS or not hosts:
            raise _unusable(
                "must look like redis://host:6379/0, redis+sentinel://host,host/service or redis+cluster://host"
            )
        found = _KINDS[kind]
        service = path.pop(0) if found == "sentinel" and path else ""
        if found == "sentinel" and not service:
            raise _unusable("names no service of its Sentinels: redis+sentinel://host:26379/service")
        if len(path) > 1 or (path and not path[0].isdecimal()) or (path and found == "cluster"):
            raise _unusable(f"has a path that is no database: /{'/'.join(path)}")
        unknown = sorted(set(query) - {*_TLS, *_SENTINEL})
        if unknown:
            raise _unusable(
                f"has options that are none: {', '.join(unknown)}; there are {', '.join((*_TLS, *_SENTINEL))}"
            )
        username, _, password = userinfo.partition(":")
        options: dict[str, Any] = {name: query[name] for name in _TLS if name in query}
        if "ssl_check_hostname" in options:
            options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() not in ("false", "0", "no")
        return cls(
            kind=found,
            nodes=tuple(_node(host, _PORT[found]) for host in hosts.split(",")),
            service=service,
            db=int(path[0]) if path else 0,
            tls=scheme == "rediss",
            username=unquote(username) or None,
            password=unquote(password) or None,
            options={"ssl": True, **options} if scheme == "rediss" else {},
            sentinel_options={name.removeprefix("sentinel_"): query[name] for name in _SENTINEL if name in query},
        )

    def __str__(self) -> str:
        hosts = ",".join(f"{host}:{port}" for host, port in self.nodes)
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}{'' if self.kind == 'server' else f'+{self.kind}'}://{hosts}" + (
            f"/{self.service}" if self.service else ""
        )


def _resolved(url: str) -> str:
    """The URL, or what stands in the environment variable that it names."""
    name = url.removeprefix(_REFERENCE)
    if name == url:
        return url
    if not (found := os.environ.get(name)):
        raise _unusable(f"is {url}, and this process has no environment variable {name}: give it the URL")
    return found


def connect(url: str, timeout_s: float, *, retry: bool = True) -> redis.Redis:
    """A client that waits so long for each answer, and, with `retry`, tries once more at once on a new connection when
    one was lost.

    Raises:
        DataError: the URL is none.
        TransientError: no node of a Cluster answers. Other servers are not asked before the first command.
    """
    found = RedisUrl.parse(url)
    # redis-py itself would go on for some seconds, while a shopper waits.
    common = _common(found, timeout_s) | {"retry": redis.retry.Retry(NoBackoff(), int(retry), (redis.ConnectionError,))}
    if found.kind == "sentinel":
        sentinels = redis.sentinel.Sentinel(
            list(found.nodes), sentinel_kwargs=_of_sentinels(found, timeout_s), db=found.db, **common
        )
        return cast("redis.Redis", sentinels.master_for(found.service))
    if found.kind == "cluster":
        nodes = [redis.cluster.ClusterNode(host, port) for host, port in found.nodes]
        try:
            # It takes every command that this project gives, each key's to the node that has it.
            return cast("redis.Redis", redis.cluster.RedisCluster(startup_nodes=nodes, **_common(found, timeout_s)))
        except redis.RedisError as error:
            raise TransientError(f"no node of {found} answers: {error}") from error
    [(host, port)] = found.nodes
    return redis.Redis(host=host, port=port, db=found.db, **common)


def connect_async(url: str, timeout_s: float) -> redis.asyncio.Redis:
    """The same for an event loop; what has failed is not tried again.

    Raises:
        DataError: the URL is none.
    """
    found = RedisUrl.parse(url)
    common = _common(found, timeout_s)
    once = redis.asyncio.retry.Retry(NoBackoff(), 0)
    if found.kind == "sentinel":
        sentinels = redis.asyncio.sentinel.Sentinel(
            list(found.nodes), sentinel_kwargs=_of_sentinels(found, timeout_s), db=found.db, retry=once, **common
        )
        return cast("redis.asyncio.Redis", sentinels.master_for(found.service))
    if found.kind == "cluster":
        nodes = [redis.asyncio.cluster.ClusterNode(host, port) for host, port in found.nodes]
        return cast("redis.asyncio.Redis", redis.asyncio.cluster.RedisCluster(startup_nodes=nodes, **common))
    [(host, port)] = found.nodes
    return redis.asyncio.Redis(host=host, port=port, db=found.db, retry=once, **common)


def _common(found: RedisUrl, timeout_s: float) -> dict[str, Any]:
    return {
        "username": found.username,
        "password": found.password,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        **found.options,
    }


def _of_sentinels(found: RedisUrl, timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        **found.options,
        **found.sentinel_options,
    }


def _node(text: str, default_port: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if not host or (port and not port.isdecimal()):
        raise _unusable(f"has a host that is none: {text!r}")
    return host, int(port) if port else default_port


def _unusable(why: str) -> DataError:
    return DataError(f"redis_url {why}")
