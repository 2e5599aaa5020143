"""Redis-protocol servers of a test's own, in each of the layouts that a URL can name; all end with the test."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.stack.processes import free_port
from infra.stack.redis_server import server_binary

PASSWORD = "p,a ss=1e5@/"
_READY_S = 20.0


@contextmanager
def server(folder: Path, *options: str, config: str | None = None) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """One server on a free port, with its process."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(server_binary())]
    if config is not None:
        (folder / "server.conf").write_text(config, encoding="utf-8")
        command.append(str(folder / "server.conf"))
    command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield port, process
    finally:
        process.kill()
        process.wait()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            if true():
                return
        except redis.RedisError as error:
            reason: object = error
        else:
            reason = "not yet"
        assert time.monotonic() < deadline, reason
        time.sleep(0.05)


def client(port: int, password: str | None = None) -> redis.Redis:
    return redis.Redis(port=port, password=password, socket_timeout=2)


@contextmanager
def with_password(folder: Path) -> Iterator[str]:
    """One server that asks for a password which no notation takes as it is; its URL."""
    with server(folder, "--requirepass", PASSWORD) as (port, _):
        wait_until(lambda: bool(client(port, PASSWORD).ping()))
        yield f"redis://:p%2Ca%20ss%3D1e5%40%2F@127.0.0.1:{port}/3"


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Three nodes that share the slots; the URL names one."""
    with ExitStack() as stack:
        ports, buses = [], [free_port() for _ in range(3)]
        for bus in buses:
            node = server(folder / str(bus), "--cluster-enabled", "yes", "--cluster-port", str(bus))
            ports.append(stack.enter_context(node)[0])
        for port in ports:
            wait_until(lambda port=port: bool(client(port).ping()))  # type: ignore[misc]
        for port, (low, high) in zip(ports, ((0, 5000), (5001, 10_000), (10_001, 16_383)), strict=True):
            client(port).execute_command("CLUSTER", "ADDSLOTSRANGE", low, high)
            client(port).execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0], buses[0])
        for port in ports:
            wait_until(lambda port=port: "'cluster_state': 'ok'" in str(client(port).execute_command("CLUSTER INFO")))  # type: ignore[misc]
        yield f"redis+cluster://127.0.0.1:{ports[0]}"


@contextmanager
def sentinel(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A master, a replica and a Sentinel that watches them; the URL, and the master's process."""
    with (
        server(folder / "master") as (master, process),
        server(folder / "replica", "--replicaof", f"127.0.0.1 {master}") as (replica, _),
    ):
        wait_until(lambda: "'master_link_status': 'up'" in str(client(replica).info("replication")))
        config = f"""
sentinel monitor fitwave 127.0.0.1 {master} 1
sentinel down-after-milliseconds fitwave 500
sentinel failover-timeout fitwave 2000
"""
        with server(folder / "sentinel", "--sentinel", config=config) as (port, _):
            wait_until(lambda: len(client(port).sentinel_slaves("fitwave")) == 1)
            yield f"redis+sentinel://127.0.0.1:{port}/fitwave/0", process


@contextmanager
def with_tls(folder: Path) -> Iterator[str]:
    """A server behind an endpoint that speaks TLS only; the URL names its certificate's authority."""
    certificate = _certificate(folder)
    with server(folder / "server") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        loop = asyncio.new_event_loop()
        ready: list[int] = []
        thread = threading.Thread(target=_serve_tls, args=(loop, certificate, port, ready), daemon=True)
        thread.start()
        wait_until(lambda: bool(ready))
        try:
            yield f"rediss://127.0.0.1:{ready[0]}/0?ssl_ca_certs={certificate}"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _certificate(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def _serve_tls(loop: asyncio.AbstractEventLoop, certificate: Path, port: int, ready: list[int]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer), return_exceptions=True)

    asyncio.set_event_loop(loop)
    listening = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    ready.append(listening.sockets[0].getsockname()[1])
    loop.run_forever()
    listening.close()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
