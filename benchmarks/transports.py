"""What a gRPC endpoint beside HTTP would give a service that calls: the same bytes, over both, and nothing behind.

`python -m benchmarks.transports --out OUT.json`
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import grpc
import httpx
import psutil
import uvicorn
from cyclopts import App, Parameter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.stack.processes import free_port
from libs.base import console
from libs.base.errors import DataError

app = App(name="transports", help="HTTP beside gRPC, with nothing behind either.")

_METHOD = "/fitwave.Recommendations/Recommend"
_QUESTION = json.dumps({"customer_id": "c-1234567", "article_ids": ["a-123456"]}).encode()
# As long as an answer about one article with eight sizes and its reasons.
_ANSWER = b"{" + b" " * 1400 + b"}"
_ROUNDS = 5
_CALLS_ALONE, _CALLS_TOGETHER, _TOGETHER = 500, 6_000, 64

Call = Callable[[], Awaitable[Any]]


@app.default
def transports(*, out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")]) -> None:
    """Measure the latency of a call alone, and the server's CPU time for a call among many."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    rounds = [
        {name: asyncio.run(_measure(name)) for name in (_ARMS if number % 2 == 0 else reversed(_ARMS))}
        for number in range(_ROUNDS)
    ]
    found: dict[str, Any] = {
        name: {figure: median(each[name][figure] for each in rounds) for figure in rounds[0][name]} for name in _ARMS
    }
    for figure in ("p50_ms", "server_cpu_ms"):
        found[f"http_over_grpc_{figure}"] = median(each["http"][figure] / each["grpc"][figure] for each in rounds)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


async def _measure(name: str) -> dict[str, float]:
    with _server(name) as (port, process):
        async with _ARMS[name](port) as call:
            await _until_it_answers(call)
            alone = []
            for _ in range(_CALLS_ALONE):
                began = time.perf_counter()
                await call()
                alone.append(time.perf_counter() - began)
            before = process.cpu_times()
            await asyncio.gather(*(_call_often(call, _CALLS_TOGETHER // _TOGETHER) for _ in range(_TOGETHER)))
            after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return {"p50_ms": median(alone) * 1e3, "server_cpu_ms": used / _CALLS_TOGETHER * 1e3}


async def _call_often(call: Call, times: int) -> None:
    for _ in range(times):
        await call()


async def _until_it_answers(call: Call) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await call()
        except (httpx.HTTPError, grpc.aio.AioRpcError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


@contextmanager
def _server(name: str) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    running = subprocess.Popen([sys.executable, "-m", "benchmarks.transports", "serve", name, str(port)])
    try:
        yield port, psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait()


@app.command(show=False)
def serve(transport: str, port: int) -> None:
    """Be the server of one transport."""
    if transport == "grpc":
        asyncio.run(_serve_grpc(port))
    else:
        uvicorn.run(_answer_http, host="127.0.0.1", port=port, log_level="warning", access_log=False)


async def _answer_http(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await Request(scope, receive).body()
        await Response(_ANSWER, media_type="application/json")(scope, receive, send)


async def _serve_grpc(port: int) -> None:
    async def answer(request: bytes, context: Any) -> bytes:
        return _ANSWER

    service, method = _METHOD[1:].split("/")
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


class _Http:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/"
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=_TOGETHER))

    async def __aenter__(self) -> Call:
        return lambda: self._client.post(self._url, content=_QUESTION)

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()


class _Grpc:
    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    async def __aenter__(self) -> Call:
        call = self._channel.unary_unary(_METHOD)
        return lambda: call(_QUESTION)

    async def __aexit__(self, *error: object) -> None:
        await self._channel.close()


_ARMS: dict[str, Any] = {"http": _Http, "grpc": _Grpc}


if __name__ == "__main__":
    console.run(app)
