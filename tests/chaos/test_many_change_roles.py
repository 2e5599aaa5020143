"""Eight processes change one market's roles at once and are killed at every step: each state has one successor."""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from libs.base import redis_lock
from libs.models import lifecycle as lifecycle_module
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from tests import changing_roles
from tests.changing_roles import CHALLENGER, CHAMPION, MARKET, STEPS
from tests.environments import NOWHERE, SMALL_MARKET, environment_in
from tests.promotion_process import HELD_S, PRELOADED
from tests.redis_servers import client, server, wait_until

PROCESSES, CHANGES = 8, 200
AGREED_S = 5.0


@pytest.mark.timeout(3_600)
@pytest.mark.row(
    "19",
    f"{PROCESSES} processes x {CHANGES} promotions and rollbacks, killed at every step: ledger and registry",
    f"one winner per expected version; linearizable; ledger and registry agree within {AGREED_S:g} s",
)
def test_each_state_of_the_roles_has_one_successor(
    figure: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", HELD_S)
    monkeypatch.setattr(lifecycle_module, "apply", lambda *_: None)
    with server(tmp_path / "redis") as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        stores = {"redis_url": f"redis://127.0.0.1:{port}/0", "mlflow_uri": f"sqlite:///{tmp_path}/mlflow.db"}
        environment = environment_in(tmp_path, "roles", {MARKET: SMALL_MARKET})
        endpoints = NOWHERE.model_copy(update=stores)
        lifecycle = Lifecycle.of(environment, endpoints)
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "model").write_text("a model")
        for _ in (CHAMPION, CHALLENGER):
            lifecycle.registry.register(MARKET, tmp_path / "package", "0", {}, {"fitwave.status": "accepted"})
        assert lifecycle.go_live(lifecycle.registry.version(MARKET, CHAMPION), {}) == "champion"

        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(PRELOADED)

        def keep_running(name: str) -> tuple[int, Path]:
            """Start a process as often as it is killed, until all its changes are made."""
            log, kills = tmp_path / f"{name}.log", 0
            log.touch()
            while True:
                arguments = (environment, endpoints, name, CHANGES, log)
                process = forks.Process(target=changing_roles.run, args=arguments, daemon=True)
                process.start()
                process.join()
                if process.exitcode == 0:
                    return kills, log
                assert process.exitcode == -signal.SIGKILL
                kills += 1

        with ThreadPoolExecutor(PROCESSES) as pool:
            ended = list(pool.map(keep_running, [f"p{number}" for number in range(PROCESSES)]))
        began = time.monotonic()
        lifecycle.publish()
        lines = [line for _, log in ended for line in log.read_text(encoding="utf-8").splitlines()]
        entries = lifecycle.ledger.entries(MARKET)
        require_linear(entries)
        told = Counter(line.split()[0] for line in lines)
        made = Counter(entry.reason for entry in entries if entry.action in ("promote", "rollback"))
        done = {line.split()[1] for line in lines if line.startswith("done")}
        refused = {line.split()[1] for line in lines if line.startswith("refused")}
        killed = {line.split()[1] for line in lines if line.startswith("begun")} - done - refused
        killed_at = {line.removeprefix("kill ") for line in lines if line.startswith("kill")}
        history, holders = lifecycle.history(MARKET), lifecycle.registry.holders(MARKET)
        agreed_s = time.monotonic() - began
        figure(
            f"{told['begun']:,} changes, {sum(kills for kills, _ in ended)} killed at {len(killed_at)} of "
            f"{2 * len(STEPS)} points: {len(made):,} made, each upon a state of its own, {told['refused']:,} refused, "
            f"{len(done - made.keys())} found it made by another; ledger and registry agreed in {agreed_s:.1f} s"
        )
        assert told["begun"] == PROCESSES * CHANGES
        assert max(made.values()) == 1
        assert not refused & made.keys(), "who was told no has changed nothing"
        assert made.keys() - done <= killed, "what was made was told to who asked, or they were dead by then"
        assert {role: one.number for role, one in holders.items()} == {
            role: number for role in ("champion", "challenger") if (number := getattr(history.roles, role))
        }
        assert history.settled and agreed_s <= AGREED_S


def require_linear(entries: list[Entry]) -> None:
    """Each entry is one that the roles before it allowed."""
    champion, challenger = CHAMPION, None
    assert (entries[0].action, entries[0].version) == ("first", CHAMPION)
    for entry in entries[1:]:
        assert entry.previous == champion
        match entry.action:
            case "shadow":
                assert challenger is None
                challenger = entry.version
            case "promote":
                assert entry.version == challenger
                champion, challenger = entry.version, None
            case "rollback":
                assert champion == CHALLENGER and challenger is None
                champion = entry.version
            case _:
                raise AssertionError(entry)
