"""The peers as processes: each is started for its turn and stopped after it, so that none costs the others anything."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from benchmarks.serving.stage import MARKET, Stage
from infra.stack.processes import free_port
from libs.base.environment import REPOSITORY
from libs.base.errors import TransientError

_READY_S = 90.0
_STOP_S = 20.0
_LOCK = Path(__file__).with_name("bentoml-lock.txt")
# Where BentoML goes, with this project's packages behind its own.
BENTOML_HOME = REPOSITORY / "var" / "bentoml"


@contextmanager
def monolith(stage: Stage, *, keeps_articles: bool) -> Iterator[str]:
    """The hand-written service, two worker processes."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.peers.monolith:app", "--workers", "2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    with _running(stage, command, port, {"FITWAVE_BENCHMARK_CACHE": "1" if keeps_articles else "0"}) as url:
        yield url


@contextmanager
def bentoml(stage: Stage) -> Iterator[str]:
    """The BentoML composition."""
    port = free_port()
    command = [str(BENTOML_HOME / "bin" / "bentoml"), "serve", "benchmarks.serving.peers.bento:Model"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with _running(stage, command, port, {"BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(REPOSITORY)}) as url:
        yield url


@contextmanager
def naive(stage: Stage) -> Iterator[str]:
    """The naive Serve composition, on a Ray of its own."""
    port = free_port()
    with _running(stage, [sys.executable, "-m", "benchmarks.serving.peers.naive", str(port)], port, {}) as url:
        yield url


def install_bentoml() -> None:
    """Make BentoML's environment, once."""
    stamp = BENTOML_HOME / ".set-up"
    if stamp.exists():
        return
    python = BENTOML_HOME / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(BENTOML_HOME)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(_LOCK)], check=True)
    own = next((BENTOML_HOME / "lib").glob("python*")) / "site-packages"
    project = next((Path(sys.prefix) / "lib").glob("python*")) / "site-packages"
    (own / "zz-project.pth").write_text(f"{project}\n", encoding="utf-8")
    stamp.touch()


@contextmanager
def _running(stage: Stage, command: Sequence[str], port: int, extra: Mapping[str, str]) -> Iterator[str]:
    """Raises: TransientError: the server does not answer in time, or ends; the message has the end of its log."""
    log = stage.environment.home / "logs" / "peer.log"
    url = f"http://127.0.0.1:{port}/recommend"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**_environment(stage), **extra}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, url, {"customer_id": stage.customers[0], "article_ids": [stage.articles[0]]}, log)
        yield url
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=_STOP_S)
        for one in alive:
            one.kill()


def _environment(stage: Stage) -> dict[str, str]:
    # Without what the environment told this process of its own Ray: the naive composition starts another one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return inherited | {
        "FITWAVE_BENCHMARK_ENVIRONMENT": stage.environment.name,
        "FITWAVE_BENCHMARK_HOME": str(stage.environment.home),
        "FITWAVE_BENCHMARK_REDIS": stage.endpoints.redis_url,
        "FITWAVE_BENCHMARK_PACKAGE": str(stage.package),
        "FITWAVE_BENCHMARK_MARKET": MARKET,
        # As Fitwave's own replicas are started: processes are the unit of parallelism.
        "OMP_NUM_THREADS": "1",
        "FEAST_USAGE": "False",
    }


def _wait(process: "subprocess.Popen[bytes]", url: str, question: Mapping[str, object], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.post(url, json=question, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise TransientError(f"{url} does not answer. The end of its log:\n{tail}")
