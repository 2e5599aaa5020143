"""The document on its way to Serve: a cluster that serves something else is left alone."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from libs.base.errors import DataError
from libs.models.serve_api import apply, require_own_cluster, undeploy
from libs.models.serving_plan import LiveState, render
from tests.environments import NOWHERE, SMALL_MARKET, environment_in


class Cluster:
    """A dashboard that keeps applications as Serve's does: what is put replaces all there is."""

    def __init__(self) -> None:
        self.applications: dict[str, Any] = {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(json.dumps({"applications": cluster.applications}).encode())

            def do_PUT(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                names = [application["name"] for application in document["applications"]]
                cluster.applications = {name: {"status": "RUNNING"} for name in names}
                self._answer()

            def do_DELETE(self) -> None:
                cluster.applications = {}
                self._answer()

            def _answer(self, body: bytes = b"{}") -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.endpoints = NOWHERE.model_copy(update={"ray_dashboard_url": url})

    def deploy(self, folder: Path, name: str) -> None:
        environment = environment_in(folder, name, {"de": SMALL_MARKET})
        apply(self.endpoints, render(environment, self.endpoints, LiveState({}, {})))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    thread = threading.Thread(target=cluster.server.serve_forever)
    thread.start()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()
    thread.join()


@pytest.mark.parametrize("other", ["main-2", "ain", "somebody-elses"])
def test_a_cluster_that_serves_anything_else_is_refused_and_that_goes_on(
    cluster: Cluster, tmp_path: Path, other: str
) -> None:
    names: dict[str, Any] = {f"fitwave-{other}": {}, f"fitwave-{other}__console": {}}
    cluster.applications = dict(names)
    with pytest.raises(DataError, match=rf"serves fitwave-{other}, .*which deploying fitwave-main would delete"):
        cluster.deploy(tmp_path, "main")
    with pytest.raises(DataError, match="each environment needs a cluster of its own"):
        undeploy(cluster.endpoints, "main")
    assert cluster.applications == names


def test_its_own_cluster_is_deployed_to_again_and_again_and_cleared(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deploy(tmp_path / "1", "main")
    cluster.applications["fitwave-main__challenger__de"] = {}
    require_own_cluster(cluster.endpoints, "main")
    cluster.deploy(tmp_path / "2", "main")
    assert undeploy(cluster.endpoints, "main") == ["fitwave-main", "fitwave-main__console"]
    assert cluster.applications == {}
    assert undeploy(cluster.endpoints, "main") == []
