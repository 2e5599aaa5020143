"""Every command of the documentation, run: in the session's environment after its weeks, or in an empty one.

`tests/documented/steps.py` is the list. The steps tell one story and run in order, behind `test_weekly_loop.py` by this
module's name: they act on all markets of the environment, which here are `de` and a new one, `fr`.
"""

import io
import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest
from ray.job_submission import JobSubmissionClient

from apps.shadow import promotion
from apps.trainer.jobs import TrainerJobs
from apps.trainer.weekly import WeeklyRun
from infra.branches.git import current_branch
from infra.branches.made import name_of
from infra.cli import app as fitwave
from infra.demo.traffic import Shoppers, ask
from infra.stack.processes import Record
from infra.stack.redis_server import start_redis
from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.key_store import KeyStore
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS
from libs.models.fingerprint import fingerprint
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.registry import Version
from libs.models.traffic import read_traffic
from tests.documented.steps import STEPS, Step
from tests.environments import SMALL_MARKET, environment_in
from tests.session import SESSION_FOLDER

MARKET = "de"
# That of `test_weekly_loop.py`, whose deliveries go on here.
PLAN = MarketPlan(MARKET, 500, 80, 700, seed=2)
NEW = MarketPlan("fr", 500, 80, 700, seed=5)
FOLDER = SESSION_FOLDER / "documented"
_PATIENCE_S = 60.0


class Terminal(io.StringIO):
    """Where somebody types."""

    def isatty(self) -> bool:
        return True


class Story:
    """The running environment, what is prepared for a command in it, and what stands for the names that it shows."""

    def __init__(self, environment: Environment, fresh: Environment, endpoints: Endpoints) -> None:
        self.environment, self.fresh, self.endpoints = environment, fresh, endpoints
        self.lake, self.lifecycle = Lake.open(environment.lake), Lifecycle.of(environment, endpoints)
        self.jobs = TrainerJobs(environment, endpoints)
        store = KeyStore(endpoints.redis_url, environment.name)
        _, self.key = store.create(None, frozenset(SCOPES), "documentation")
        store.close()
        self.url = f"http://127.0.0.1:{endpoints.gateway_port}"
        self.said, self.job, self.key_id = "", "", ""

    def have_a_champion(self) -> None:
        """That of `test_weekly_loop.py`, if it has run."""
        if self.lifecycle.registry.holder(MARKET, "champion") is None:
            deliver(self.lake, PLAN, 0)
            WeeklyRun(self.environment, self.endpoints, cut_off(PLAN, 0), lambda _: None).run([MARKET])

    def shoppers(self) -> Shoppers:
        customers = self.lake.read(CUSTOMERS, MARKET)["customer_id"].to_pylist()
        articles = pl.DataFrame(pl.from_arrow(self.lake.read(ARTICLES, MARKET))).filter(
            pl.col("online") & (pl.col("launched_at") < cut_off(PLAN, 0))
        )
        return Shoppers(customers, articles["article_id"].to_list())

    def last_week(self) -> int:
        return len(self.lake.parts(ORDERS, MARKET)) - 1

    def stands_for(self, word: str) -> str:
        """What a word of a command is here; most words are themselves."""
        history = self.lifecycle.history(MARKET)
        made = [one.number for one in self.lifecycle.registry.versions(MARKET) if "fitwave.lake" in one.tags]
        made.sort(key=int)
        return {
            "2026-07-06": f"{cut_off(PLAN, self.last_week()):%Y-%m-%d}",
            "v7": f"v{history.roles.champion}",
            "v11": f"v{made[-2]}" if len(made) > 1 else "v11",
            "v12": f"v{made[-1]}" if made else "v12",
            "JOB": self.job,
            "NAME": self.job,
            "KEY_ID": self.key_id,
            "fitwave-main-de-20260706-20260706T030000000000": self.job,
        }.get(word, word)

    def words(self, command: str) -> list[str]:
        """A command of `fitwave`, without its first word."""
        return [self.stands_for(word) for word in shlex.split(command)[1:]]

    def shell(self, command: str) -> tuple[int, str]:
        """Run a line with the shell, about a customer and articles that there are."""
        shoppers = self.shoppers()
        ids = {"c-1001": shoppers.customers[0], "a-1": shoppers.articles[0], "a-2": shoppers.articles[1]}
        for shown, real in ids.items():
            command = command.replace(f'"{shown}"', f'"{real}"')
        port = str(self.endpoints.gateway_port)
        exported = os.environ | {"FITWAVE_URL": self.url, "FITWAVE_KEY": self.key, "PORT": port}
        done = subprocess.run(
            ["bash", "-c", command], env=exported, capture_output=True, text=True, check=False, timeout=20
        )
        return done.returncode, done.stdout

    def prepare(self, what: str) -> None:
        """Have what a step names, by the method of that name."""
        prepare: Callable[[], None] = getattr(self, f"prepare_{what.replace(' ', '_')}")
        prepare()

    def prepare_redis(self) -> None:
        self.fresh.home.mkdir(parents=True, exist_ok=True)
        start_redis(self.fresh.home, Record(self.fresh.home / "stack.json"))

    def prepare_an_empty_lake(self) -> None:
        Lake.open(self.fresh.lake).remove(MARKET)

    def prepare_delivery(self) -> None:
        deliver(self.lake, PLAN, self.last_week() + 1)
        for week in range(self.last_week() + 1):
            deliver(self.lake, NEW, week)

    def prepare_a_key(self) -> None:
        store = KeyStore(self.endpoints.redis_url, self.environment.name)
        self.key_id, _ = store.create(None, frozenset(SCOPES), "a shop")
        store.close()

    def prepare_score_files(self) -> None:
        shoppers = self.shoppers()
        pl.DataFrame({"customer_id": shoppers.customers[:5]}).write_csv("customers.csv")
        pl.DataFrame({"article_id": shoppers.articles[:20]}).write_csv("articles.csv")

    def prepare_traffic(self) -> None:
        """Questions enough to tell how they are; a replica looks at one batch a second."""
        shoppers, deadline = self.shoppers(), time.monotonic() + _PATIENCE_S
        champion = self.lifecycle.history(MARKET).roles.champion
        assert champion is not None
        for customer in itertools.cycle(shoppers.customers):
            ask(self.url, self.key, MARKET, customer, shoppers.articles[:60])
            looked = read_traffic(self.lake, MARKET, champion, 7, datetime.now(UTC).date())
            if looked.questions >= 200:
                return
            assert time.monotonic() < deadline, looked.questions

    def prepare_challenger(self) -> None:
        """The champion's package again, in a window of its own, unless there is one."""
        if self.lifecycle.history(MARKET).roles.challenger is None:
            self.lifecycle.go_live(self._version(), {})

    def prepare_pairs(self) -> None:
        """Pairs of a window, of which replicas tell within seconds."""
        self.prepare_challenger()
        shoppers, deadline = self.shoppers(), time.monotonic() + _PATIENCE_S
        for customer in itertools.cycle(shoppers.customers):
            ask(self.url, self.key, MARKET, customer, shoppers.articles[:1])
            if "\nfitwave_shadow_pairs_total{" in httpx.get(f"{self.url}/metrics").text:
                return
            assert time.monotonic() < deadline

    def prepare_promotion(self) -> None:
        """A champion to go back from: its window was in the ledger only."""
        history = self.lifecycle.history(MARKET)
        number = history.mark.number
        entry = Entry(MARKET, "shadow", self._version().number, history.roles.champion, "documentation")
        assert self.lifecycle.ledger.append(entry, number)
        self.lifecycle.ledger.settle(MARKET, number + 1)
        promotion.promote(self.lifecycle, MARKET, "documentation", {})

    def prepare_job(self) -> None:
        """The one whose name was just printed."""
        self.job = self.said.strip()
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(DataError):  # there are no logs so far
                if "entrypoint" in self.jobs.logs(self.job):
                    return
            time.sleep(0.2)

    def prepare_quiet(self) -> None:
        """What was asked for so far is wanted by nobody: it would only take the cores."""
        client = JobSubmissionClient(self.endpoints.ray_dashboard_url)
        for job in client.list_jobs():
            if not job.status.is_terminal() and job.submission_id:
                self.jobs.stop(job.submission_id)

    def _version(self) -> Version:
        champion = self.lifecycle.registry.holder(MARKET, "champion")
        assert champion is not None
        package = Path(champion.ref.path)
        return self.lifecycle.registry.register(
            MARKET, package, fingerprint(package), {}, {"fitwave.status": "accepted"}
        )


@pytest.fixture(scope="module")
def story(environment: Environment, endpoints: Endpoints) -> Iterator[Story]:
    """The session's environment with these two markets, and an empty one, both in one folder of config."""
    settings = environment.model_dump(mode="json", include={"state_dir", "lake_uri", "code"})
    markets = {MARKET: SMALL_MARKET, NEW.name: SMALL_MARKET}
    of_two = environment_in(FOLDER, environment.name, markets, settings)
    story = Story(of_two, environment_in(FOLDER, "main", {MARKET: {}}, {"code": settings["code"]}), endpoints)
    story.have_a_champion()
    yield story
    story.prepare_quiet()
    Lifecycle.of(environment, endpoints).publish()


@pytest.fixture(autouse=True)
def a_shell(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that commands are given in, and what is exported there."""
    work = FOLDER / "work"
    home = work / "var" / "main"
    if not home.exists():
        home.parent.mkdir(parents=True)
        home.symlink_to(story.environment.home)
    monkeypatch.chdir(work)
    monkeypatch.setenv("FITWAVE_CONFIG", str(FOLDER / "config"))
    monkeypatch.setenv("COLUMNS", "240")
    # Who destroys the environment of a branch is asked for its name.
    monkeypatch.setattr("sys.stdin", Terminal(name_of(current_branch(story.fresh.code.repository))))
    # The weekly job is run at the lowest priority, which a process cannot leave again.
    monkeypatch.setattr(os, "nice", lambda _: 0)


@contextmanager
def stopped_after(seconds: float | None) -> Iterator[None]:
    """Stop what runs until it is stopped, as Ctrl-C does."""
    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def exit_code(words: list[str], stop_after_s: float | None) -> int:
    """What the command line of these words comes to."""
    try:
        with stopped_after(stop_after_s):
            code = fitwave(words, result_action="return_value")
    except SystemExit as ended:  # it was stopped, or does not take these words
        code = ended.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command)
def test_a_command_does_what_its_page_says(
    step: Step, story: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = story.environment if step.where == "running" else story.fresh
    monkeypatch.setenv("FITWAVE_ENVIRONMENT", where.name)
    monkeypatch.setenv("FITWAVE_STATE_DIR", str(where.state_dir))
    if step.first:
        story.prepare(step.first)
    capsys.readouterr()
    if step.command.startswith("fitwave "):
        code = exit_code(story.words(step.command), step.stop_after_s)
        printed = capsys.readouterr().out
    else:
        code, printed = story.shell(step.command)
    story.said = printed
    assert code in step.expects, printed
    assert re.search(step.says, printed, re.MULTILINE), printed
