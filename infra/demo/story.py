"""What every demo does with a market's weeks: run them, ask over HTTP, watch the window, write it all down."""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from apps.shadow.cli import print_verdict
from apps.shadow.promotion import judge_window, settle, shadow_of
from apps.shadow.verdict import Verdict
from apps.trainer.report import print_weeks
from apps.trainer.week import MarketWeek
from apps.trainer.weekly import WeeklyRun
from infra.demo.traffic import Shoppers, Tally, Traffic, ask
from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.key_store import KeyStore
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.models.lifecycle import Lifecycle

_LOOK_EVERY_S = 5.0
_WATCH_S = 60.0
# Traffic goes on for so long after a promotion, to meet the new champion.
_AFTERWARDS_S = 3.0


@dataclass
class MarketReport:
    """What `report.json` says of one market."""

    weeks: list[dict[str, Any]] = field(default_factory=list)
    champion_before: str | None = None
    champion_after: str | None = None
    requests: dict[str, Any] = field(default_factory=dict)
    pairs: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] | None = None
    truth: dict[str, Any] | None = None


@dataclass
class Story:
    """One demo on one running environment."""

    environment: Environment
    endpoints: Endpoints
    console: Console
    reports: dict[str, MarketReport] = field(default_factory=dict)
    shoppers: dict[str, Shoppers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reports = {market: MarketReport() for market in self.environment.markets}
        self.lifecycle = Lifecycle.of(self.environment, self.endpoints)
        store = KeyStore(self.endpoints.redis_url, self.environment.name)
        _, self.key = store.create(None, frozenset(SCOPES), "demo")
        self.url = f"http://{self.environment.serving.gateway.host}:{self.endpoints.gateway_port}"

    def run_week(self, title: str, as_of: datetime) -> dict[str, MarketWeek]:
        """The weekly job of all markets."""
        self.console.rule(title)
        began = time.monotonic()
        with self.console.status("weekly job") as status:

            def notify(text: str) -> None:
                self.console.print(f"  {time.monotonic() - began:5.0f} s  {text}", highlight=False)
                status.update(text)

            weeks = WeeklyRun(self.environment, self.endpoints, as_of, notify).run(sorted(self.environment.markets))
        print_weeks(self.console, weeks.values())
        for market, week in weeks.items():
            self.reports[market].weeks.append(week.report())
        return weeks

    def champions(self) -> dict[str, str]:
        """The live version of each market, by the registry."""
        holders = {market: self.lifecycle.registry.holder(market, "champion") for market in self.reports}
        return {market: holder.number for market, holder in holders.items() if holder}

    def meet_shoppers(self) -> None:
        """Remember who there is and what is sold after the first week. A market whose second week is rejected keeps
        its features, so what is new in that week is not online there.
        """
        self.shoppers = {market: self._shoppers(market) for market in self.reports}

    def _shoppers(self, market: str) -> Shoppers:
        lake = Lake.open(self.environment.lake)
        articles = pl.DataFrame(pl.from_arrow(lake.read(ARTICLES, market)))
        customers = lake.read(CUSTOMERS, market)["customer_id"].to_pylist()
        return Shoppers(customers, articles.filter(pl.col("online"))["article_id"].to_list())

    def show_curl(self, market: str, customer: str, article: str) -> None:
        """One question as a shop team would try it, and the answer."""
        self.console.rule("one question over HTTP")
        body = json.dumps({"customer_id": customer, "article_ids": [article]})
        url = f"{self.url}/v1/markets/{market}/size-recommendations"
        headers = ["-H", "Authorization: Bearer $KEY", "-H", "Content-Type: application/json"]
        command = ["curl", "-s", "-X", "POST", url, *headers, "-d", body]
        self.console.print(shlex.join(command), soft_wrap=True, highlight=False)
        if shutil.which("curl"):
            real = [part.replace("$KEY", self.key) for part in command]
            answer = json.loads(subprocess.run(real, capture_output=True, text=True, check=True).stdout)
        else:
            self.console.print("(curl is not on this machine; the same request is sent by Python)")
            answer = ask(self.url, self.key, market, customer, [article])
        for recommendation in answer.get("recommendations", []):
            recommendation["sizes"] = recommendation["sizes"][:3]
        self.console.print_json(json.dumps(answer))

    def watch(self, title: str) -> None:
        """Live traffic on all markets, and the windows judged as it runs, until each is decided or time is up."""
        self.console.rule(title)
        before = self.champions()
        open_markets = {market for market in self.reports if shadow_of(self.lifecycle, market) is not None}
        with Traffic(self.url, self.key, self.shoppers) as traffic:
            deadline = time.monotonic() + _WATCH_S
            while open_markets and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)
                for market in sorted(open_markets):
                    if self._look(market, traffic.tallies[market]):
                        open_markets.discard(market)
            time.sleep(_AFTERWARDS_S)
        for market, report in self.reports.items():
            report.champion_before, report.champion_after = before[market], self.champions()[market]
            report.requests = asdict(traffic.tallies[market])
            if report.verdict is not None:
                self.console.print(f"{market}: champion v{report.champion_before} -> v{report.champion_after}")

    def _look(self, market: str, tally: Tally) -> bool:
        """Judge one window; true once it is decided, and acted upon."""
        shadow = shadow_of(self.lifecycle, market)
        assert shadow is not None, "an open window is only closed here"
        verdict = judge_window(self.lifecycle, shadow).verdict
        self.console.print(
            f"  {market}: {tally.sent} requests, {verdict.comparison.integrity.logged} pairs: {verdict.decision}",
            highlight=False,
        )
        if verdict.decision == "extend":
            self._note(market, verdict)
            return False
        settled = settle(self.lifecycle, market)
        assert settled is not None
        print_verdict(self.console, market, settled.verdict)
        self._note(market, settled.verdict)
        return settled.verdict.decision != "extend"

    def _note(self, market: str, verdict: Verdict) -> None:
        report = self.reports[market]
        report.pairs = asdict(verdict.comparison.integrity)
        report.verdict = verdict.evidence()

    def write(self, extra: Mapping[str, Any]) -> str:
        """Write `report.json` and return its path."""
        path = self.environment.home / "report.json"
        content = {**extra, "markets": {market: asdict(report) for market, report in self.reports.items()}}
        path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
        return str(path)

    def summary(self) -> None:
        """One row a market: what its second week came to."""
        table = Table("market", "week 2", "champion", "requests", "failed", "pairs", "verdict", "best size", "baseline")
        for market, report in self.reports.items():
            table.add_row(
                market,
                report.weeks[-1]["outcome"],
                f"v{report.champion_before} -> v{report.champion_after}",
                f"{report.requests['sent']:,}",
                str(report.requests["failed"]),
                str(report.pairs.get("logged", "")),
                report.verdict["decision"] if report.verdict else "not shadowed",
                f"{report.truth['recommended']:.1%}" if report.truth else "",
                f"{report.truth['most_common_size']:.1%}" if report.truth else "",
            )
        self.console.print(table)
        if any(report.truth for report in self.reports.values()):
            self.console.print(
                "best size: answers that are the truly best size; baseline: the article's most kept size instead"
            )
