"""The weekly job: preprocess, train, register, tag, judge, refresh, deploy as a shadow. Top to bottom, once.

Each step finds what a run that was killed has done of it and goes on from there: tables and trained markets are in the
week's folder, versions are known by their origin, tags, features and roles are given once. The folder goes last, so a
week without one has ended.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from apps.trainer.code_tag import current_commit
from apps.trainer.gate import Gate
from apps.trainer.market_locks import MarketLocks
from apps.trainer.origin import ORIGIN, Origin
from apps.trainer.registration import Registration
from apps.trainer.week import MarketWeek, WeekFolder
from apps.trainer.week_metrics import WeekMetrics
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError, FitwaveError
from libs.base.metric_board import MetricBoard
from libs.base.progress import Progress, Silent
from libs.base.redis_lock import Held
from libs.features.lake import Lake, LakeVersion
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.features.refresh import Destination, refresh
from libs.models.assignment import Assignment
from libs.models.fleet import train_fleet
from libs.models.lifecycle import Lifecycle
from libs.models.market_training import Trained, Untrained
from libs.models.registry import Role, Version

log = logging.getLogger(__name__)

Notify = Callable[[str], None]
T = TypeVar("T")


@dataclass
class WeeklyRun:
    """One run over some markets: the stores it uses, and each market's week so far."""

    environment: Environment
    endpoints: Endpoints
    as_of: datetime
    notify: Notify
    progress: Progress = field(default_factory=Silent)
    weeks: dict[str, MarketWeek] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)

    def run(self, markets: Sequence[str]) -> dict[str, MarketWeek]:
        """Run the week of these markets. A market that fails is reported in its week; the others go on.

        Markets that another run is at work on are left until the others are through.

        Raises:
            DataError: a market is unknown, there is no code repository to tag, or the environment takes no version of
                this code.
            TransientError: the cluster, Redis or MLflow is away; run the week again.
        """
        self.weeks = {self.environment.market(name).name: MarketWeek(name) for name in markets}
        self.commit = current_commit(self.environment.code)
        self.lifecycle = Lifecycle.of(self.environment, self.endpoints)
        self.registration = Registration(self.environment, self.lifecycle.registry, self.commit)
        self.registration.require_allowed()
        self.metrics = WeekMetrics(MetricBoard(self.endpoints.redis_url, self.environment.name))
        locks = MarketLocks(self.environment, self.endpoints, self.notify)
        busy = locks.busy(markets)
        for turn in ([name for name in markets if name not in busy], *([name] for name in busy)):
            with locks.held(turn) as held:
                self._run(turn, held)
        return self.weeks

    def _run(self, markets: Sequence[str], held: Mapping[str, Held]) -> None:
        todo = [name for name in markets if not self._has_ended(name)]
        if not todo:
            return
        self.metrics.began(todo)
        try:
            self._work(todo, held)
        finally:
            for name in todo:
                self.metrics.ended(self.weeks[name])

    def _work(self, todo: Sequence[str], held: Mapping[str, Held]) -> None:
        pages, stage = self.environment.home / "validation", self.metrics.stage
        self.gates = {name: Gate(pages, self.environment.market(name), self.as_of) for name in todo}
        with connected(self.endpoints):
            with stage("preprocess", todo):
                prepared = self._let_through("tables", self._prepare(todo), Gate.check_tables)
            with stage("train", prepared):
                trained = self._let_through("shifts", self._train(prepared), Gate.check_shifts)
            self._write_pages()
            with stage("register", trained):
                accepted = self._register(trained, prepared, held)
            with stage("refresh", list(accepted)):
                self._refresh([prepared[name] for name in accepted], accepted)
        for name in list(accepted):
            self.notify(f"deploy: {name}")
            with stage("deploy", [name]):
                self._go_live(accepted[name], held[name])
        for name in todo:
            self._folder(name).remove()

    def _has_ended(self, name: str) -> bool:
        """Whether this week of a market, from the data, code and config of now, is over; its outcome is told again."""
        if self._folder(name).path.exists():
            return False
        try:
            origin = self._origin(name, Lake.open(self.environment.lake).version(name))
        except DataError:
            return False  # what is wrong with the lake is said by who reads it
        version = self.lifecycle.registry.with_tag(name, ORIGIN, origin.digest)
        outcome = (self._role(version) or _decided(version)) if version else None
        if version is None or outcome is None:
            return False
        self.notify(f"{name}: this week has been run, and is v{version.number}")
        week = self.weeks[name]
        week.version, week.tag = version.number, version.tags.get("fitwave.git_tag")
        week.report_path = str(version.report) if version.report else None
        week.end(outcome, "deploy", version.tags.get("fitwave.reason", ""))
        return True

    def _prepare(self, markets: Sequence[str]) -> dict[str, Prepared]:
        kept: dict[str, Prepared] = {}
        for name in markets:
            found = self._folder(name).take_up(partial(self._origin, name))
            if found is not None:
                self.notify(f"{name}: goes on from the tables of a run that was killed")
                kept[name] = found
        todo = {name: self.environment.market(name) for name in markets if name not in kept}
        self.notify(f"preprocess: {_names(todo)}")
        folder = WeekFolder.of(self.environment.home, self.as_of, "").path
        results = preprocess(self.environment.lake, todo, self.as_of, folder, progress=self.progress) if todo else {}
        for name, result in results.items():
            if isinstance(result, Failed):
                self._fail(name, "preprocess", result.reason)
                self.gates[name].refuse(result.reason)
            else:
                self._folder(name).keep(self._origin(name, result.lake_version), result)
                kept[name] = result
        for name, one in kept.items():
            self.weeks[name].prepared = one
        return kept

    def _let_through(self, what: str, results: Mapping[str, T], check: Callable[[Gate, T], list[str]]) -> dict[str, T]:
        """The markets whose results pass the validation gate."""
        passed = {}
        for name, result in results.items():
            try:
                blocking = check(self.gates[name], result)
            except FitwaveError as error:
                blocking = [str(error)]
            if blocking:
                self._fail(name, f"validate {what}", "; ".join(blocking))
            else:
                passed[name] = result
        return passed

    def _train(self, prepared: Mapping[str, Prepared]) -> dict[str, Trained]:
        self.notify(f"train: {_names(prepared)}")
        assignments = [self._assignment(one) for one in prepared.values()]
        kept = {}
        for name, result in train_fleet(assignments, self.environment.trainer, self.progress).items():
            if isinstance(result, Untrained):
                self._fail(name, "train", result.reason)
            else:
                self.weeks[name].trained = kept[name] = result
        return kept

    def _assignment(self, prepared: Prepared) -> Assignment:
        champion = self.lifecycle.registry.holder(prepared.market, "champion")
        return Assignment(
            market=self.environment.market(prepared.market),
            training_path=prepared.training_path,
            folder=self._folder(prepared.market).model,
            lines=prepared.labelled,
            champion=champion.ref if champion else None,
            funnel=tuple(prepared.funnel),
        )

    def _write_pages(self) -> None:
        """The gate's findings for people; at night a week is worth more than a page that cannot be drawn."""
        for name, gate in self.gates.items():
            self.weeks[name].warnings = gate.warnings()
            try:
                self.weeks[name].validation_path = str(gate.write_page())
            # Whatever a plot stumbles over: the findings are in the week's warnings, and the log has all of it.
            except Exception as error:
                log.exception("validation page of market %s", name)
                self.notify(f"{name} has no validation page: {type(error).__name__}: {error}")

    def _register(
        self, trained: Mapping[str, Trained], prepared: Mapping[str, Prepared], held: Mapping[str, Held]
    ) -> dict[str, Version]:
        """Register, tag and judge each market; the versions that met their standards come back."""
        self.notify(f"register, tag and judge: {_names(trained)}")
        accepted = {}
        for name, one in trained.items():
            week = self.weeks[name]
            if one.report_fault:
                self.notify(f"{name} has no model report: {one.report_fault}")
            try:
                held[name].require(f"the run of market {name!r}")
                origin = self._origin(name, prepared[name].lake_version)
                version = self.registration.register(one, origin, week.warnings)
            except FitwaveError as error:
                self._fail(name, "register", str(error))
                continue
            week.version, week.tag = version.number, self.registration.tag_of(version)
            week.report_path = str(version.report) if version.report else None
            if one.judgement.passed:
                accepted[name] = version
            else:
                week.end("rejected", "judge", one.judgement.reason)
        return accepted

    def _refresh(self, prepared: Sequence[Prepared], accepted: dict[str, Version]) -> None:
        """Bring features online; a market whose coverage is too low is taken out of `accepted`."""
        self.notify(f"refresh features: {_names(accepted)}")
        if not prepared:
            return
        environment = self.environment
        destination = Destination(
            environment.name, environment.home, self.endpoints.redis_url, environment.serving.refreshing
        )
        bounds = {one.market: self.environment.market(one.market).serving.min_feature_coverage for one in prepared}
        for name, result in refresh(destination, prepared, bounds, self.progress).items():
            if isinstance(result, Failed):
                del accepted[name]
                self._fail(name, "refresh", result.reason)
            else:
                self.weeks[name].refreshed = result

    def _go_live(self, version: Version, held: Held) -> None:
        week = self.weeks[version.market]
        trained = week.trained
        evidence = {"metrics": asdict(trained.metrics), "judgement": asdict(trained.judgement)} if trained else {}
        try:
            held.require(f"the run of market {version.market!r}")
            # The verdict on a version that was deployed by a run that was killed then is not undone.
            outcome = _decided(version) or self.lifecycle.go_live(version, evidence)
        except FitwaveError as error:
            self._fail(version.market, "deploy", str(error))
        else:
            week.end(outcome, "deploy")

    def _fail(self, market: str, stage: str, reason: str) -> None:
        self.weeks[market].end("failed", stage, reason)
        self.notify(f"{market} failed at {stage}: {reason}")

    def _role(self, version: Version) -> Role | None:
        """The role that a version has now."""
        holders = self.lifecycle.registry.holders(version.market)
        return next((role for role, one in holders.items() if one.number == version.number), None)

    def _folder(self, market: str) -> WeekFolder:
        return WeekFolder.of(self.environment.home, self.as_of, market)

    def _origin(self, market: str, lake: LakeVersion) -> Origin:
        return Origin.now(self.as_of, lake, self.commit, self.environment.market(market))


def _decided(version: Version) -> str | None:
    """What has been decided about a version since it was accepted; nothing, if it has still to be deployed."""
    status = version.tags["fitwave.status"]
    return None if status == "accepted" else status


def _names(markets: Iterable[str]) -> str:
    return ", ".join(markets) or "nothing"
