"""The embedded stack: what is configured is used, what is started is stopped, and a half start leaves nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from infra.stack.local import down, status, up
from infra.stack.processes import Record, Started, free_port, stop
from infra.stack.redis_server import start_redis
from libs.base.endpoints import Endpoints, endpoints_file
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.models.lifecycle import Lifecycle
from libs.models.registry import Registry
from tests.environments import environment_in


def test_the_running_session_answers_and_up_again_changes_nothing(
    environment: Environment, endpoints: Endpoints
) -> None:
    Lifecycle.of(environment, endpoints).publish()
    rows = {row.name: row for row in status(environment)}
    assert all(row.healthy for row in rows.values()), rows
    assert {name for name, row in rows.items() if row.pid} == {"redis", "ray"}
    assert up(environment) == endpoints


def test_everything_listens_on_loopback(environment: Environment, endpoints: Endpoints) -> None:
    Lifecycle.of(environment, endpoints).publish()
    started = [one.process() for one in Record(environment.home / "stack.json").read()]
    family = [member for one in started if one for member in (one, *one.children(recursive=True))]
    heard = [(process, ip) for process in family for ip in _listens_on(process)]
    assert any("ServeReplica" in process.name() for process, _ in heard)
    assert [(process, ip) for process, ip in heard if ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == []


def _listens_on(process: psutil.Process) -> list[str]:
    try:
        connections = process.net_connections("inet")
    except psutil.NoSuchProcess:
        return []  # Ray ends idle workers whenever it likes
    return [connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN]


def test_a_port_in_use_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = environment_in(tmp_path, "main", {"de": {}}, {"serving": {"gateway": {"port": port}}})
        with pytest.raises(TransientError, match=f"port {port} .serving.gateway.port. on 127.0.0.1 is in use"):
            up(environment)
    assert not endpoints_file(environment).exists()
    assert Record(environment.home / "stack.json").read() == []


def test_a_configured_redis_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    settings = {"redis_url": "redis://:hunter2@127.0.0.1:1/0"}
    with pytest.raises(TransientError, match=r"no Redis answers at redis://127\.0\.0\.1:1") as refused:
        up(environment_in(tmp_path, "main", {"de": {}}, settings))
    assert "hunter2" not in str(refused.value)


def test_a_process_that_cannot_start_shows_its_log_and_what_was_started_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "ray").write_text(f"#!/bin/sh\necho x >> {tmp_path}/starts\necho no room for a cluster; exit 1\n")
    (broken / "ray").chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    environment = environment_in(tmp_path, "main", {"de": {}})
    with pytest.raises(TransientError, match=r"(?s)ray ended at once.*no room for a cluster"):
        up(environment)
    # A busy machine may make a node late, which Ray does not wait for: it is started a second time, and no third.
    assert (tmp_path / "starts").read_text() == "x\nx\n"
    assert Record(environment.home / "stack.json").read() == []
    assert not endpoints_file(environment).exists()


def test_data_outlives_the_server(tmp_path: Path) -> None:
    record = Record(tmp_path / "stack.json")
    for expected in (None, b"1"):
        url = start_redis(tmp_path, record)
        client = redis.Redis.from_url(url)
        assert client.get("k") == expected
        client.set("k", "1")
        client.close()
        stop(record.read()[-1], 10)
        assert record.read()[-1].process() is None


def test_a_reused_pid_is_somebody_elses_and_lives_on(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        started = Started("ray", other.pid, psutil.Process(other.pid).create_time() - 5, "", str(tmp_path / "log"))
        stop(started, 1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_down_without_up_does_nothing(tmp_path: Path) -> None:
    assert down(environment_in(tmp_path, "main", {"de": {}})) == []


def test_mlflow_away_is_said_in_seconds(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="MLflow store does not answer"):
        Registry("main", "http://127.0.0.1:1", tmp_path).holder("de", "champion")


def test_the_help_is_there_without_the_big_libraries() -> None:
    code = (
        "import sys; from infra.cli import app; app(['--help'], result_action='return_value');"
        "sys.exit(bool({'ray', 'mlflow', 'feast', 'xgboost', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    for command in ("up", "down", "status", "lake", "trainer", "serve", "shadow", "keys"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["trainer", "run", "--market", "fr"], 1, "error: unknown market 'fr'"),
        (["trainer", "run"], 1, "error: say which markets"),
        (["trainer", "run", "--market", "de", "--as-of", "yesterday"], 1, "error: --as-of 'yesterday' is not a date"),
        (["shadow", "status"], 75, "not now: environment 'main' is not up"),
        (["status", "--environment", "prod"], 1, "error: no environment 'prod'"),
    ],
)
def test_a_wrong_command_is_one_message_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    environment_in(tmp_path, "main", {"de": {}})
    command = [sys.executable, "-c", "from infra.cli import main; main()", *arguments]
    variables = {**os.environ, "FITWAVE_CONFIG": str(tmp_path / "config")}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(5)}) > 1
