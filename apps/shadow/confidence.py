"""Confidence sequences: intervals that hold at every look, however often the window is looked at.

The unit is the customer, whose requests resemble each other; customers are independent. One that asks again changes its
value. Each look is right for all that; over all looks the bound is proven for values that stay. Requests of a customer
that resemble each other tie the looks closer together than independent steps of as much variance would, and by the
inequality of Slepian ("The one-sided barrier problem for Gaussian noise", Bell System Technical Journal 41, 1962)
a Gaussian walk then leaves its boundary no more often. `python -m benchmarks.verdicts` measures what comes of it.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from apps.shadow.streams import Stream
from libs.features.arrays import Floats, Indices

# The sample size at which the sequence of means is tightest; wider before and after, valid always.
_TIGHTEST_AT = 1_000
# The central limit theorem says nothing of fewer customers.
FEWEST = 50
# Halvings of [0, 1]: the ends are exact to a billionth.
_HALVINGS = 30


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence sequence after n customers, their `deviation`, and how many more come in an hour."""

    mean: float
    lower: float
    upper: float
    n: int
    deviation: float = 0.0
    per_hour: float = 0.0


@dataclass(frozen=True)
class Track:
    """An interval at each of l looks, (l,) each."""

    mean: Floats
    lower: Floats
    upper: Floats
    n: Indices
    deviation: Floats
    per_hour: Floats

    def at(self, look: int) -> Interval:
        return Interval(
            float(self.mean[look]),
            float(self.lower[look]),
            float(self.upper[look]),
            int(self.n[look]),
            float(self.deviation[look]),
            float(self.per_hour[look]),
        )


def track_mean(stream: Stream, looks: Floats, alpha: float) -> Track:
    """The mean of all values, two-sided and asymptotic, with customers as the units.

    With probability 1 - alpha it covers the mean at all looks at once, so stopping at any of them is fair.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences", Annals of Statistics 52(6), 2024, equation (3), with rho as in their appendix on tuning it. A customer's
    part of a mean is its sum of deviations: the linearised ratio of sums (Deng, Knoblich, Lu, "Applying the Delta
    Method in Metric Analytics", KDD 2018).
    """
    shift = stream.values[0] if len(stream.values) else 0.0  # deviations of equal values are 0 and not nearly so
    values = stream.values - shift
    rows = np.ones(len(values))
    had, asked = stream.earlier(values), stream.earlier(rows)
    n, count, total = (stream.total(amounts, looks) for amounts in (stream.new, rows, values))
    squares = stream.total(2 * had * values + values**2, looks)
    crossed = stream.total(had + values * asked + values, looks)
    counts = stream.total(2 * asked + 1, looks)
    mean = total / np.maximum(count, 1)
    spread = np.maximum(squares - 2 * mean * crossed + mean**2 * counts, 0.0)
    deviation = np.sqrt(spread / np.maximum(n - 1, 1)) * n / np.maximum(count, 1)
    # Of values without any spread nothing is known about those to come.
    width = np.where((n >= FEWEST) & (deviation > 0), deviation * width_of_mean(n, alpha), math.inf)
    return Track(
        mean + shift,
        mean + shift - width,
        mean + shift + width,
        n.astype(np.int64),
        deviation,
        stream.per_hour(looks),
    )


def width_of_mean(n: Floats, alpha: float) -> Floats:
    """Half of the width after n customers, in their standard deviations."""
    rho_squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / _TIGHTEST_AT
    n = np.maximum(n, 1)
    scaled = n * rho_squared + 1
    return np.asarray(np.sqrt(2 * scaled / (n**2 * rho_squared) * np.log(np.sqrt(scaled) / alpha)))


def track_share(stream: Stream, looks: Floats, alpha: float, margin: float) -> Track:
    """The mean over customers of the share of a customer's values, each 0 or 1, that are 1; two-sided.

    Exact for few customers and for none that is 1, where an asymptotic interval would have no width. It is tightest for
    shares about `margin`.

    Source: betting on a bounded mean, Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
    betting", JRSS-B 86(1), 2024, mixed over all bets by a Beta distribution: see `evidence`.
    """
    had, asked = stream.earlier(stream.values), stream.earlier(np.ones(len(stream.values)))
    share = (had + stream.values) / (asked + 1) - had / np.maximum(asked, 1)
    n = stream.total(stream.new, looks)
    ones = np.clip(stream.total(share, looks), 0.0, n)
    mean = ones / np.maximum(n, 1)
    lower, upper = (_end(ones, n, alpha, margin, mean, np.full(len(n), far)) for far in (0.0, 1.0))
    deviation = np.sqrt(mean * (1 - mean))
    return Track(mean, lower, upper, n.astype(np.int64), deviation, stream.per_hour(looks))


def evidence(ones: Floats, n: Floats, share: Floats | float, margin: float) -> Floats:
    """Logarithm of the wealth of who bets, from 1 on, that the mean of n customers is not `share`; (l,).

    Who bets the part p on 1 and the rest on 0 has multiplied wealth by p / share at a 1 and by (1 - p) / (1 - share) at
    a 0; of a value between, at least by what lies between on the logarithm's scale, which is concave. Wealth is the
    mean over p from a Beta distribution: Robbins, "Statistical methods related to the law of the iterated logarithm",
    Annals of Mathematical Statistics 41(5), 1970. Wealth of 1 / alpha is reached by chance with probability alpha.
    """
    a, b = 0.5, 1 / max(margin, 1e-3)
    zeros = n - ones
    share = np.clip(share, 1e-12, 1 - 1e-12)
    return np.asarray(betaln(a + ones, b + zeros) - betaln(a, b) - ones * np.log(share) - zeros * np.log1p(-share))


def _end(ones: Floats, n: Floats, alpha: float, margin: float, near: Floats, far: Floats) -> Floats:
    """Where between the mean and the far end the evidence against a share is as much as is asked for."""
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        inside = evidence(ones, n, middle, margin) < -math.log(alpha)
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return np.where(n > 0, far, np.round(far))
