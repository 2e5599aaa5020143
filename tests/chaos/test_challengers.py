"""A challenger that is promoted, rolled back, broken, slow or mad, while shoppers ask."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from apps.shadow import promotion
from apps.trainer.weekly import WeeklyRun
from libs.base.errors import DataError, TransientError
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.lake import Lake
from libs.models import serve_api
from libs.models.fingerprint import BOOSTER_FILE, fingerprint
from libs.models.package import load, save
from libs.models.pair_log import read_window
from tests.chaos.conftest import MARKET, MEMORY_LIMIT_MIB, PLAN, Live, until
from tests.chaos.leak import leaking
from tests.chaos.load import Answer, Load, loaded, percentile_ms
from tests.chaos.test_killed_replicas import sleep_until

Figure = Callable[[str], None]

_CHALLENGER = f"fitwave-test__challenger__{MARKET}"
# Of the time, in which a process that is slowed down runs.
_TENTH_S = 0.01


@contextmanager
def challenged(live: Live, package: Path) -> Iterator[str]:
    """A version of this package as the challenger; withdrawn at the end if it still is."""
    registry = live.lifecycle.registry
    version = registry.register(MARKET, package, fingerprint(package), {}, {"fitwave.status": "accepted"})
    assert live.lifecycle.go_live(version, {}) == "challenger"
    try:
        yield version.number
    finally:
        if registry.holder(MARKET, "challenger") is not None:
            promotion.reject(live.lifecycle, MARKET, "the test is over", {})


def package_of(live: Live, folder: Path) -> Path:
    """A copy of the champion's package."""
    champion = live.lifecycle.registry.holder(MARKET, "champion")
    assert champion is not None
    shutil.copytree(champion.ref.path, folder)
    return folder


def challengers_pids(live: Live) -> list[int]:
    [deployment] = serve_api.status(live.endpoints)["applications"][_CHALLENGER]["deployments"].values()
    return [int(one["pid"]) for one in deployment["replicas"] if one["state"] == "RUNNING"]


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.row(
    "7",
    "promote, bad promote and rollback under L",
    "0 failures; 0 answers of the old version after the acknowledgement; rollback <= 5 s",
)
def test_a_change_of_champion_fails_nobody_and_is_over_when_it_is_acknowledged(
    live: Live, tmp_path: Path, figure: Figure
) -> None:
    package = package_of(live, tmp_path / "package")
    old = live.learn()
    with challenged(live, package) as new, loaded(live.plan) as load:
        live.calm[new] = live.calm[old]
        sleep_until(load, 10)
        promotion.promote(live.lifecycle, MARKET, "chaos", {})
        promoted = time.time()
        sleep_until(load, 20)
        begin = time.time()
        promotion.rollback(live.lifecycle, MARKET, "chaos")
        back = time.time()
        sleep_until(load, 30)
        with challenged(live, package) as bad:
            stored = Path(live.lifecycle.registry.version(MARKET, bad).ref.path)
            (stored / BOOSTER_FILE).write_bytes(b"altered")
            with pytest.raises(DataError, match="is not the registered package") as refused:
                promotion.promote(live.lifecycle, MARKET, "chaos", {})
            champion = live.lifecycle.registry.holder(MARKET, "champion")
    late = [one for one in load.answers if one.version == old and promoted < one.at < begin]
    late += [one for one in load.answers if one.version == new and back < one.at]
    figure(
        f"{load}; {len(live.wrong(load))} wrong; {len(late)} of an old version after the acknowledgement; rolled back "
        f"in {back - begin:.1f} s; bad: {str(refused.value).split(' is ', 1)[-1][:40]}..., champion unchanged"
    )
    assert champion is not None
    assert champion.number == old
    assert {one.version for one in load.answers} == {old, new}
    assert load.failed == []
    assert live.wrong(load) == []
    assert late == []
    assert back - begin <= 5.0


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def ten_times_slower(pid: int) -> Iterator[None]:
    """Let a process run a tenth of the time."""
    over = threading.Event()

    def slow() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(9 * _TENTH_S)
            os.kill(pid, signal.SIGCONT)
            time.sleep(_TENTH_S)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def killed(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGKILL)
    yield


@pytest.mark.timeout(450, func_only=True)
@pytest.mark.row("29", "a challenger crashes, hangs, is 10 x slower, under L", "0 failures; live p99 <= + 5 %")
@pytest.mark.parametrize("trouble", [killed, stopped, ten_times_slower])
def test_a_challengers_trouble_is_nobody_elses(
    live: Live, tmp_path: Path, trouble: Callable[[int], AbstractContextManager[None]], figure: Figure
) -> None:
    # Slices in turn, so that whatever else this machine does meets both alike.
    arms: dict[bool, list[Answer]] = {False: [], True: []}
    plan = replace(live.plan, seconds=6.0)
    with challenged(live, package_of(live, tmp_path / "package")):
        for number in range(20):
            with loaded(plan) as load:
                if number % 2:
                    with trouble(challengers_pids(live)[0]):
                        sleep_until(load, plan.seconds)
            arms[bool(number % 2)] += load.answers
            until(lambda: bool(challengers_pids(live)))
    found = Load(0.0, arms[False] + arms[True])
    calm, troubled = (percentile_ms(arms[one], 0.99) for one in (False, True))
    figure(
        f"{trouble.__name__}: {found}; {len(live.wrong(found))} wrong; p99 {troubled:.1f} ms, without trouble "
        f"{calm:.1f} ms ({100 * (troubled / calm - 1):+.0f} %, of {len(arms[True]):,} each)"
    )
    assert found.failed == []
    assert live.wrong(found) == []
    assert troubled <= 1.05 * calm


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("challenger: NaN", "a challenger whose probabilities are no numbers", "0 failures; each pair an error")
def test_a_challenger_that_gives_no_numbers_is_logged_as_failing(live: Live, tmp_path: Path, figure: Figure) -> None:
    package = load(package_of(live, tmp_path / "whole"))
    broken = replace(package.card.calibration, intercepts=(float("nan"), 0.0))
    card = package.card.model_copy(update={"calibration": broken, "calibration_chosen": broken})
    save(replace(package, card=card), tmp_path / "package")
    with challenged(live, tmp_path / "package"):
        window = str(live.lifecycle.history(MARKET).roles.window)
        with loaded(replace(live.plan, seconds=20.0)) as found:
            pass
        time.sleep(2 * live.environment.serving.pair_log.flush_s + 1.0)
        rows, _ = read_window(Lake.open(live.environment.lake), MARKET, window)
    outcomes = rows["outcome"].value_counts().to_dicts()
    figure(f"{found}; {len(live.wrong(found))} wrong; pairs: {outcomes}")
    assert found.failed == []
    assert live.wrong(found) == []
    assert set(rows["outcome"]) == {"error"}


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row(
    "challenger: leak",
    f"a challenger that takes 80 MB more each second, under L; replicas may take {MEMORY_LIMIT_MIB:,} MiB",
    "0 failures; replaced when it takes 25 % more than it may, at most",
)
def test_a_challenger_that_leaks_is_replaced_before_it_takes_the_nodes_memory(
    live: Live, leaks: Path, tmp_path: Path, figure: Figure
) -> None:
    with challenged(live, package_of(live, tmp_path / "package")), loaded(live.plan) as found:
        until(lambda: bool(challengers_pids(live)))
        [pid] = challengers_pids(live)
        challenger, taken = psutil.Process(pid), [0.0]
        sleep_until(found, 5)
        with leaking(leaks, pid):
            while pid in challengers_pids(live):
                with suppress(psutil.NoSuchProcess):
                    taken.append(challenger.memory_info().rss / 2**20)
                time.sleep(0.2)
        took = time.time() - found.began - 5
        until(lambda: bool(challengers_pids(live)))
    figure(f"{found}; {len(live.wrong(found))} wrong; replaced at {max(taken):,.0f} MiB, in {took:.0f} s")
    assert found.failed == []
    assert live.wrong(found) == []
    assert MEMORY_LIMIT_MIB / 2 < max(taken) <= 1.25 * MEMORY_LIMIT_MIB


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.row(
    "MLflow gone", "MLflow away while shoppers ask and while a week is run", "0 failures; the week says so"
)
def test_without_mlflow_answers_go_on_and_a_week_fails_by_name(live: Live, figure: Figure) -> None:
    deliver(Lake.open(live.environment.lake), PLAN, 1)
    away = live.endpoints.model_copy(update={"mlflow_uri": "http://127.0.0.1:1"})
    before = live.lifecycle.ledger.entries(MARKET)
    with loaded(live.plan) as found:
        with pytest.raises(TransientError, match="the MLflow store does not answer") as failed:
            WeeklyRun(live.environment, away, cut_off(PLAN, 1), lambda _: None).run([MARKET])
        assert live.lifecycle.ledger.entries(MARKET) == before
        [again] = WeeklyRun(live.environment, live.endpoints, cut_off(PLAN, 1), lambda _: None).run([MARKET]).values()
    figure(f"{found}; {len(live.wrong(found))} wrong; the week: {str(failed.value)[:60]}...; again: {again.outcome}")
    promotion.reject(live.lifecycle, MARKET, "the test is over", {})
    assert again.outcome == "challenger"
    assert found.failed == []
    assert live.wrong(found) == []
