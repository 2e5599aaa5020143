"""A server on loopback that answers what it is told, one answer a request, and keeps what it was asked."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "request_id": "r",
    "market": "de",
    "customer_id": "c-1",
    "model_version": "3",
    "features_as_of": "2026-07-06T00:00:00Z",
    "recommendations": [
        {
            "article_id": "a-1",
            "size": "40",
            "confidence": 0.6,
            "second_best": {"size": "41", "confidence": 0.3},
            "abstained": False,
            "abstention_reason": None,
            "basis": {"customer": "history", "article": "brand"},
            "reasons": ["kept 40 before"],
            "sizes": [{"size": "40", "small": 0.2, "fit": 0.6, "large": 0.2}],
        }
    ],
}


@dataclass(frozen=True)
class Reply:
    """A status and a JSON document; `slow_s` before the first byte, `dribble_s` before each of the others."""

    status: int = 200
    document: Any = field(default_factory=lambda: ANSWER)
    headers: Mapping[str, str] = field(default_factory=dict)
    slow_s: float = 0.0
    dribble_s: float = 0.0
    hang_up: bool = False


def problem(kind: str, status: int, **headers: str) -> Reply:
    """A problem document of this kind."""
    document = {"type": f"/problems/{kind}", "title": kind, "status": status, "detail": "why", "request_id": "r"}
    return Reply(status, document, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Script:
    """Where the server is, what it still answers (the last again and again), and what it was asked."""

    url: str
    replies: list[Reply]
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)


@contextmanager
def gateway(*replies: Reply) -> Iterator[Script]:
    """Answer with these."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes; the second would wait for the first's acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            script.asked.append((f"{self.command} {self.path}", dict(self.headers.items()), body))
            script.connections.add(self.client_address[1])
            reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
            time.sleep(reply.slow_s)
            if reply.hang_up:
                self.close_connection = True
                return
            text = reply.document if isinstance(reply.document, str) else json.dumps(reply.document)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                for part in text if reply.dribble_s else [text]:
                    self.wfile.write(part.encode())
                    time.sleep(reply.dribble_s)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has given up, as it should

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = Script(f"http://127.0.0.1:{server.server_port}", list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
