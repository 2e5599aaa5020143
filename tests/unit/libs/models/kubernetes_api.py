"""Of Kubernetes' API, the part that a RayService is written through; and of Serve's, that which a document is put to.

It keeps one object as Kubernetes would: a JSON patch is taken whole or not at all, and the generation rises with the
spec.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/apis/ray.io/v1/namespaces/fitwave-shop/rayservices/fitwave"
TOKEN = "a-pods-own-token"


@dataclass
class Api:
    """`held`: the RayService, if there is one. `asked`: methods and paths, in order. `fails_with`: what it answers
    instead. `statuses`: what KubeRay says of the RayService, a question each; the last one stays.
    """

    url: str = ""
    held: dict[str, Any] | None = None
    asked: list[str] = field(default_factory=list)
    fails_with: int | None = None
    running: dict[str, Any] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)

    def patch(self, kind: str, content: Any) -> tuple[int, Any]:
        if kind == "application/apply-patch+yaml":
            before, self.held = self.held or {}, content
            return self._taken(before)
        if self.held is None:
            return 404, {"message": "rayservices.ray.io not found"}
        draft = json.loads(json.dumps(self.held))
        for one in content:
            *parents, last = [int(part) if part.isdigit() else part for part in one["path"].split("/")[1:]]
            place: Any = draft
            for key in parents:
                place = place[key]
            if one["op"] == "test" and place[last] != one["value"]:
                return 422, {"message": f"the server rejected our request: testing path {one['path']} test failed"}
            place[last] = one["value"]
        before, self.held = self.held, draft
        return self._taken(before)

    def _taken(self, before: dict[str, Any]) -> tuple[int, Any]:
        assert self.held is not None
        generation = int(before.get("metadata", {}).get("generation", 0))
        changed = before.get("spec") != self.held["spec"]
        self.held = self.held | {"metadata": self.held["metadata"] | {"generation": generation + changed}}
        return 200, self.held

    def seen(self) -> dict[str, Any]:
        assert self.held is not None
        status = self.statuses.pop(0) if len(self.statuses) > 1 else next(iter(self.statuses), {})
        return self.held | {"status": status}

    def serve(self, document: dict[str, Any]) -> None:
        self.running = {one["name"]: {"status": "RUNNING"} for one in document["applications"]}


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Answer on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path, _, _query = self.path.partition("?")
            api.asked.append(f"{self.command} {path}")
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else None
            status, body = self._found(path, content)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _found(self, path: str, content: Any) -> tuple[int, Any]:
            if path == "/api/serve/applications/":
                if self.command == "PUT":
                    api.serve(content)
                return 200, {"applications": api.running}
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return 401, {"message": "Unauthorized"}
            if api.fails_with is not None:
                return api.fails_with, {"message": "as the test wants it"}
            if path != PATH or (self.command == "GET" and api.held is None):
                return 404, {"message": "not found"}
            if self.command == "PATCH":
                return api.patch(str(self.headers["Content-Type"]), content)
            return 200, api.seen()

        do_GET = do_PUT = do_PATCH = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what was asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
