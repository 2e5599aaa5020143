"""The features of a line by the obvious way: go through all lines of the market, one by one, and count.

What is expected of a customer's size comes from a regression on the body, which has tests of its own; here nobody has
told a body, so that everything else can be counted by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
MATURITY = timedelta(days=28)


@dataclass(frozen=True)
class SlowMarket:
    """Lines with `position` and `scale`, returns by line, and articles by id, as plain rows."""

    lines: Sequence[Row]
    returns: Mapping[str, Row]
    articles: Mapping[str, Row]

    def outcome(self, line: Row, at: datetime) -> str | None:
        """What a line was taken for at a moment: nothing before it is mature, and what a return said once it is."""
        if line["ordered_at"] + MATURITY >= at:
            return None
        returned = self.returns.get(line["line_id"])
        if returned is None or returned["returned_at"] >= at:
            return "kept"
        return {"too_small": "small", "too_large": "large"}.get(returned["reason"])

    def known(self, at: datetime) -> list[tuple[Row, str]]:
        """All lines that had an outcome at a moment, with it."""
        found = ((line, self.outcome(line, at)) for line in self.lines)
        return [(line, outcome) for line, outcome in found if outcome is not None]

    def worn(self, customer: str, scale: int, at: datetime) -> list[float]:
        """The positions of everything with an outcome that the customer had bought on a scale."""
        known = self.known(at)
        return [one["position"] for one, _ in known if (one["customer_id"], one["scale"]) == (customer, scale)]

    def gap(self, line: Row) -> float | None:
        """How far the line's size lies from the mean of what its customer had bought before, on the grid."""
        worn = self.worn(line["customer_id"], line["scale"], beginning_of_day(line["ordered_at"]))
        return round((line["position"] - sum(worn) / len(worn)) * 64) / 64 if worn else None

    def history(self, customer: str, scale: int, at: datetime) -> list[tuple[Any, ...]]:
        """The customer's entries on a scale: position, brand, and how often kept, small and large, in order."""
        entries: dict[tuple[float, str], list[int]] = {}
        for line, outcome in self.known(at):
            if (line["customer_id"], line["scale"]) == (customer, scale):
                key = (line["position"], self.articles[line["article_id"]]["brand"])
                entries.setdefault(key, [0, 0, 0])[("kept", "small", "large").index(outcome)] += 1
        return [(*key, *counts) for key, counts in sorted(entries.items())]

    def level(self, level: str, article: str, scale: int, at: datetime) -> dict[str, float]:
        """The statistics of an article's level: of all lines that share its key and scale."""
        own = self.articles[article]
        key = {"article": "article_id", "brand": "brand", "category": "category"}.get(level)
        found = dict.fromkeys(("n", "small_n", "large_n", "kept_n"), 0.0)
        for outcome in ("kept", "small", "large"):
            found |= {f"{outcome}_sum": 0.0, f"{outcome}_gap_n": 0.0, f"{outcome}_gap_sum": 0.0}
        for line, outcome in self.known(at):
            other = self.articles[line["article_id"]]
            if line["scale"] != scale or (key is not None and other[key] != own[key]):
                continue
            gap = self.gap(line)
            found["n"] += 1
            found[f"{outcome}_n"] += 1
            found[f"{outcome}_sum"] += line["position"]
            found[f"{outcome}_gap_n"] += gap is not None
            found[f"{outcome}_gap_sum"] += gap or 0.0
        return found

    def size(self, article: str, position: float, at: datetime) -> dict[str, float]:
        """The statistics of one size of an article."""
        of_article = [(line["position"], outcome) for line, outcome in self.known(at) if line["article_id"] == article]
        here = [outcome for worn, outcome in of_article if worn == position]
        return {
            "small_at_or_above": sum(worn >= position and outcome == "small" for worn, outcome in of_article),
            "not_small_at_or_below": sum(worn <= position and outcome != "small" for worn, outcome in of_article),
            "large_at_or_below": sum(worn <= position and outcome == "large" for worn, outcome in of_article),
            "not_large_at_or_above": sum(worn >= position and outcome != "large" for worn, outcome in of_article),
            "small_at": here.count("small"),
            "large_at": here.count("large"),
            "lines_at": len(here),
        }


def beginning_of_day(moment: datetime) -> datetime:
    """Midnight, in UTC."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
