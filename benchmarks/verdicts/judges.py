"""Who judges a window: Fitwave's own code at every hour, and what is often done instead, once a day.

The peers have the same pairs and lines. They reject what is significantly worse, and promote what is significantly
better in quality; the z-test also wants errors and latency significantly within their margins, which ranks do not tell.
Like most canaries they take requests and lines for independent, and each day's look for the only one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import mannwhitneyu, norm

from apps.shadow.comparison import compare_at
from apps.shadow.streams import hours_of
from apps.shadow.verdict import decide
from benchmarks.verdicts.streams import SCENARIOS, WINDOW, Stream, made_up
from libs.features.arrays import Floats
from libs.models.pair_log import COMPLETE

_DAY = 24
# The usual levels: of a z-test, and of the Mann-Whitney judge of Netflix's and Google's Kayenta (98 % confidence).
_Z_ALPHA, _CANARY_ALPHA = 0.05, 0.02


@dataclass(frozen=True)
class Judged:
    """How a window ended, after how many hours, and whether a slice was found bad."""

    decision: Literal["promote", "reject"]
    hours: float
    slice_veto: bool = False


def fitwave(stream: Stream) -> Judged:
    """Look every hour, and act on the first verdict that is not to extend."""
    comparisons = compare_at(stream.pairs, stream.counts, stream.losses, WINDOW, stream.looks)
    for hour, comparison in enumerate(comparisons, start=1):
        verdict = decide(comparison, WINDOW, hour)
        if verdict.decision != "extend":
            vetoes = [
                check.name for check in verdict.checks if check.finding == "bad" and check.name in comparison.slices
            ]
            return Judged(verdict.decision, hour, bool(vetoes))
    raise AssertionError("a window whose time is up is decided")


def z_test(stream: Stream) -> Judged:
    """Tests of means with requests as the units, at a fixed level, looked at daily."""

    def beyond(values: Floats, margin: float) -> float:
        """z of how far the mean is beyond the margin."""
        spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        distance = float(values.mean()) - margin
        return distance / spread if spread else math.copysign(math.inf, distance)

    limit = float(norm.ppf(1 - _Z_ALPHA / 2))

    def judge(failed: Floats, champion_s: Floats, challenger_s: Floats, gain: Floats, hour: int) -> str:
        excess = challenger_s - WINDOW.latency_margin * champion_s
        worse = (beyond(failed, WINDOW.error_margin), beyond(excess, 0.0), -beyond(gain, WINDOW.quality_margin))
        if max(worse) > limit:
            return "reject"
        return "promote" if max(worse) < -limit else "extend"

    return _daily(stream, judge)


def mann_whitney(stream: Stream) -> Judged:
    """A canary judge: rank tests of the two sides' values, unpaired, looked at daily.

    It knows no margins in the unit of a measure: a side is worse when its values rank worse and its mean is beyond.
    """

    def higher(one: Floats, other: Floats) -> bool:
        return bool(mannwhitneyu(one, other, alternative="greater", method="asymptotic").pvalue < _CANARY_ALPHA / 2)

    def judge(failed: Floats, champion_s: Floats, challenger_s: Floats, gain: Floats, hour: int) -> str:
        losses = stream.losses.filter(hours_of(stream.losses["matured_at"]) <= stream.looks[hour - 1])
        champion, challenger = losses["champion"].to_numpy(), losses["challenger"].to_numpy()
        errs = higher(failed, np.zeros(len(failed))) and failed.mean() > WINDOW.error_margin
        slow = higher(challenger_s, WINDOW.latency_margin * champion_s)
        if errs or slow or higher(challenger, champion):
            return "reject"
        return "promote" if higher(champion, challenger) else "extend"

    return _daily(stream, judge)


def _daily(stream: Stream, judge: Callable[[Floats, Floats, Floats, Floats, int], str]) -> Judged:
    at, matured = hours_of(stream.pairs["at"]), hours_of(stream.losses["matured_at"])
    failed = (stream.pairs["outcome"] != COMPLETE).to_numpy().astype(np.float64)
    champion_s, challenger_s = (stream.pairs[name].to_numpy() for name in ("champion_s", "challenger_s"))
    gain = (stream.losses["champion"] - stream.losses["challenger"]).to_numpy()
    for hour in range(_DAY, int(WINDOW.max_hours) + 1, _DAY):
        seen = at <= stream.looks[hour - 1]
        complete = seen & (failed == 0)
        if seen.sum() < WINDOW.min_pairs:
            continue
        lines = gain[matured <= stream.looks[hour - 1]]
        match judge(failed[seen], champion_s[complete], challenger_s[complete], lines, hour):
            case "promote":
                return Judged("promote", hour)
            case "reject":
                return Judged("reject", hour)
    return Judged("reject", WINDOW.max_hours)


JUDGES: dict[str, Callable[[Stream], Judged]] = {"fitwave": fitwave, "z_test": z_test, "mann_whitney": mann_whitney}


def judged(task: tuple[str, int]) -> dict[str, Judged]:
    """One window of a scenario, by its seed, as every judge ends it."""
    scenario, seed = task
    stream = made_up(SCENARIOS[scenario], seed)
    return {name: judge(stream) for name, judge in JUDGES.items()}
