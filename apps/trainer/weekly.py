"""The weekly job: preprocess, train, register, tag, judge, refresh, deploy as a shadow. Top to bottom, once."""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from apps.trainer.code_tag import Commit, current_commit, tag_name, tag_version
from apps.trainer.gate import Gate
from apps.trainer.origin import Origin
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import FitwaveError
from libs.base.market import Market
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.features.refresh import Destination, Refreshed, refresh
from libs.models.fleet import REPORT_FILE, RESULT_FILE, Assignment, Trained, Untrained, train_fleet
from libs.models.lifecycle import Lifecycle
from libs.models.package import fingerprint
from libs.models.registry import Version

# Ranks of the shared worker group, and XGBoost threads of each: two ranks of one thread use a small machine's cores
# and cost two process starts.
WORKERS, THREADS = 2, 1

log = logging.getLogger(__name__)

Notify = Callable[[str], None]
T = TypeVar("T")


@dataclass
class MarketWeek:
    """What one market's week came to. `outcome`: champion, challenger, rejected, or failed at `stage`."""

    market: str
    outcome: str = "failed"
    stage: str = "preprocess"
    reason: str = ""
    prepared: Prepared | None = None
    trained: Trained | None = None
    version: str | None = None
    report_path: str | None = None
    validation_path: str | None = None
    warnings: list[str] = field(default_factory=list)
    tag: str | None = None
    refreshed: Refreshed | None = None

    def report(self) -> dict[str, Any]:
        """The week as plain values."""
        return dict(json.loads(json.dumps(asdict(self), default=str)))


@dataclass
class WeeklyRun:
    """One run over some markets: the stores it uses, and each market's week so far."""

    environment: Environment
    endpoints: Endpoints
    as_of: datetime
    notify: Notify
    weeks: dict[str, MarketWeek] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)

    def run(self, markets: Sequence[str]) -> dict[str, MarketWeek]:
        """Run the week of these markets. A market that fails is reported in its week; the others go on.

        Raises:
            DataError: a market is unknown, or there is no code repository to tag.
            TransientError: the cluster, Redis or MLflow is away; run the week again.
        """
        configs = {name: self.environment.market(name) for name in markets}
        commit = current_commit(self.environment.code)
        lifecycle = Lifecycle.of(self.environment, self.endpoints)
        self.weeks = {name: MarketWeek(name) for name in markets}
        pages = self.environment.home / "validation"
        self.gates = {name: Gate(pages, config, self.as_of) for name, config in configs.items()}
        folder = self.environment.home / "runs" / f"{self.as_of:%Y-%m-%dT%H%M%SZ}-{'-'.join(sorted(markets))[:80]}"
        with connected(self.endpoints):
            self.notify("preprocess: rules, label maturity, point-in-time features")
            prepared = self._keep_prepared(preprocess(self.environment.lake, configs, self.as_of, folder))
            prepared = self._let_through("tables", prepared, Gate.check_tables)
            self.notify(f"train: {_names(prepared)}")
            assignments = [self._assignment(lifecycle, configs[name], one) for name, one in prepared.items()]
            trained = self._keep_trained(train_fleet(assignments, folder / "models", WORKERS, THREADS))
            trained = self._let_through("shifts", trained, Gate.check_shifts)
            self._write_pages()
            self.notify(f"register, tag and judge: {_names(trained)}")
            accepted = self._register_all(lifecycle, trained, prepared, commit)
            self.notify(f"refresh features: {_names(accepted)}")
            self._refresh([prepared[name] for name in accepted], accepted)
        for name in list(accepted):
            self.notify(f"deploy: {name}")
            self._go_live(lifecycle, accepted[name])
        shutil.rmtree(folder)
        return self.weeks

    def _keep_prepared(self, results: Mapping[str, Prepared | Failed]) -> dict[str, Prepared]:
        kept = {}
        for name, result in results.items():
            if isinstance(result, Failed):
                self._fail(name, "preprocess", result.reason)
                self.gates[name].refuse(result.reason)
            else:
                self.weeks[name].prepared = kept[name] = result
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

    def _write_pages(self) -> None:
        """The gate's findings for people; at night a week is worth more than a page that cannot be drawn."""
        for name, gate in self.gates.items():
            self.weeks[name].warnings = gate.warnings()
            try:
                self.weeks[name].validation_path = str(gate.write_page())
            except Exception as error:
                log.exception("validation page of market %s", name)
                self.notify(f"{name} has no validation page: {type(error).__name__}: {error}")

    def _assignment(self, lifecycle: Lifecycle, market: Market, prepared: Prepared) -> Assignment:
        champion = lifecycle.registry.holder(market.name, "champion")
        return Assignment(
            market=market,
            training_path=prepared.training_path,
            lines=prepared.labelled,
            champion=champion.ref.path if champion else None,
            champion_version=champion.number if champion else None,
            funnel=tuple(prepared.funnel),
        )

    def _keep_trained(self, results: Mapping[str, Trained | Untrained]) -> dict[str, Trained]:
        kept = {}
        for name, result in results.items():
            if isinstance(result, Untrained):
                self._fail(name, "train", result.reason)
            else:
                self.weeks[name].trained = kept[name] = result
        return kept

    def _register_all(
        self,
        lifecycle: Lifecycle,
        trained: Mapping[str, Trained],
        prepared: Mapping[str, Prepared],
        commit: Commit,
    ) -> dict[str, Version]:
        """Register, tag and judge each market; the versions that met their standards come back."""
        accepted = {}
        for name, one in trained.items():
            origin = Origin.now(self.as_of, prepared[name].lake_version, commit, self.environment.market(name))
            try:
                version = self._register(lifecycle, one, origin, commit)
            except FitwaveError as error:
                self._fail(name, "register", str(error))
                continue
            if one.judgement.passed:
                accepted[name] = version
            else:
                self._end(name, "rejected", "judge", one.judgement.reason)
        return accepted

    def _register(self, lifecycle: Lifecycle, trained: Trained, origin: Origin, commit: Commit) -> Version:
        week, market = self.weeks[trained.market], trained.market
        passed = trained.judgement.passed
        (trained.folder / RESULT_FILE).replace(trained.folder / "evaluation.json")
        version = lifecycle.registry.register(
            market,
            trained.folder,
            fingerprint(trained.folder),
            {name: value for name, value in asdict(trained.metrics).items() if value is not None}
            | trained.judgement.bounds,
            origin.tags()
            | {
                "fitwave.git_dirty": str(commit.dirty).lower(),
                "fitwave.compared_with": trained.champion_version or "",
                "fitwave.report_fault": trained.report_fault,
                "fitwave.status": "accepted" if passed else "rejected",
                "fitwave.reason": trained.judgement.reason,
            },
            self._report_beside(trained),
        )
        week.report_path = str(version.report) if version.report else None
        week.version, week.tag = version.number, tag_name(self.environment.name, market, version.number)
        tag_version(
            self.environment.code,
            week.tag,
            commit,
            f"{market} v{version.number}, data until {self.as_of:%Y-%m-%d}: "
            + ("accepted" if passed else f"rejected, {trained.judgement.reason}"),
        )
        lifecycle.registry.tag(market, version.number, {"fitwave.git_tag": week.tag})
        return version

    def _report_beside(self, trained: Trained) -> Path | None:
        """Move the report out of the package's folder: it is logged beside the package, not as a part of it."""
        if trained.report_fault:
            self.notify(f"{trained.market} has no model report: {trained.report_fault}")
            return None
        # No market's name has a dot.
        folder = trained.folder.with_name(f"{trained.market}.report")
        folder.mkdir(exist_ok=True)
        return (trained.folder / REPORT_FILE).replace(folder / REPORT_FILE)

    def _refresh(self, prepared: Sequence[Prepared], accepted: dict[str, Version]) -> None:
        """Bring features online; a market whose coverage is too low is taken out of `accepted`."""
        if not prepared:
            return
        environment = self.environment
        destination = Destination(
            environment.name, environment.home, self.endpoints.redis_url, environment.serving.refreshing
        )
        bounds = {one.market: self.environment.market(one.market).serving.min_feature_coverage for one in prepared}
        for name, result in refresh(destination, prepared, bounds).items():
            if isinstance(result, Failed):
                del accepted[name]
                self._fail(name, "refresh", result.reason)
            else:
                self.weeks[name].refreshed = result

    def _go_live(self, lifecycle: Lifecycle, version: Version) -> None:
        trained = self.weeks[version.market].trained
        evidence = {"metrics": asdict(trained.metrics), "judgement": asdict(trained.judgement)} if trained else {}
        try:
            role = lifecycle.go_live(version, evidence)
        except FitwaveError as error:
            self._fail(version.market, "deploy", str(error))
        else:
            self._end(version.market, role, "deploy", "")

    def _fail(self, market: str, stage: str, reason: str) -> None:
        self._end(market, "failed", stage, reason)
        self.notify(f"{market} failed at {stage}: {reason}")

    def _end(self, market: str, outcome: str, stage: str, reason: str) -> None:
        week = self.weeks[market]
        week.outcome, week.stage, week.reason = outcome, stage, reason


def _names(markets: Iterable[str]) -> str:
    return ", ".join(markets) or "nothing"
