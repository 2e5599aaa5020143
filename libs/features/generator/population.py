"""Who buys and what there is to buy: people with true sizes, articles with true offsets."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.sizes import position, scale_of

Floats = npt.NDArray[np.float64]

# The first Monday of the simulated time: week 0 begins here, before any cut-off.
FIRST_WEEK = datetime(2026, 1, 5, tzinfo=UTC)

# EU sizes of each kind of article, as a shop would stock them; and the distance between two of them.
_STOCK: dict[tuple[str, str], tuple[list[float], float]] = {
    ("apparel", "women"): ([float(size) for size in range(32, 50, 2)], 2.0),
    ("apparel", "men"): ([float(size) for size in range(42, 62, 2)], 2.0),
    ("footwear", "women"): ([float(size) for size in range(35, 44)], 1.0),
    ("footwear", "men"): ([float(size) for size in range(39, 49)], 1.0),
}
_CATEGORIES = {"apparel": ("dress", "jeans", "shirt", "jacket", "trousers"), "footwear": ("sneaker", "boot", "sandal")}
_LETTERS = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL")
# Mean and spread of true sizes, in EU sizes; heights and weights of a person of mean size.
_MEAN_SIZE = {"apparel-women": 39.0, "apparel-men": 51.0, "footwear-women": 38.5, "footwear-men": 43.0}
_SIZE_SD = {"apparel": 3.2, "footwear": 1.6}
_MEAN_BODY = {"women": (166.0, 66.0), "men": (179.0, 82.0)}

# Shares, as a fashion retailer sees them: accounts of several people, customers who tell their body, apparel.
_MORE_PEOPLE = (0.72, 0.21, 0.07)
_TELLS_BODY = 0.65
_APPAREL = 0.65
_WOMEN = 0.6
_BRAND_OFFSET_STEPS, _ARTICLE_OFFSET_STEPS = 0.6, 0.35


@dataclass(frozen=True)
class MarketPlan:
    """How large one made-up market is. Customers and articles are those of all weeks together; some come later."""

    name: str
    customers: int
    articles: int
    lines_per_week: int
    seed: int
    systems: tuple[str, ...] = ("EU", "letter", "waist")
    history_weeks: int = 26
    brands: int = 40


@dataclass(frozen=True)
class Population:
    """A market's people and articles as columns. Person i belongs to account `account[i]`; the first person of each
    account is its main wearer. Sizes and offsets are EU sizes.
    """

    account: npt.NDArray[np.int64]
    person_gender: npt.NDArray[np.str_]
    apparel_size: Floats
    footwear_size: Floats
    customers: pl.DataFrame
    articles: pl.DataFrame
    offset: Floats
    step: Floats


def populate(plan: MarketPlan) -> Population:
    """Make a market's people and articles; the same plan makes the same ones."""
    rng = np.random.default_rng([plan.seed, 1])
    people = _people(plan, rng)
    articles, offset, step = _articles(plan, np.random.default_rng([plan.seed, 2]))
    return Population(*people, articles=articles, offset=offset, step=step)


def _people(
    plan: MarketPlan, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_], Floats, Floats, pl.DataFrame]:
    in_account = 1 + rng.choice(3, plan.customers, p=_MORE_PEOPLE)
    account = np.repeat(np.arange(plan.customers), in_account)
    gender = np.where(rng.random(len(account)) < _WOMEN, "women", "men")
    stature = rng.normal(0, 1, len(account))
    sizes = {
        division: np.array([_MEAN_SIZE[f"{division}-{one}"] for one in gender])
        + _SIZE_SD[division] * (weight * stature + np.sqrt(1 - weight**2) * rng.normal(0, 1, len(account)))
        for division, weight in (("apparel", 0.85), ("footwear", 0.7))
    }
    main = np.flatnonzero(np.diff(account, prepend=-1))
    bodies = np.array([_MEAN_BODY[one] for one in gender[main]])
    tells = rng.random(plan.customers) < _TELLS_BODY
    height = bodies[:, 0] + 5.0 * stature[main] + rng.normal(0, 4, plan.customers)
    weight = bodies[:, 1] + 11.0 * stature[main] + rng.normal(0, 5, plan.customers)
    registered_at = _spread_in(rng, plan, plan.customers)
    tells_gender = rng.random(plan.customers) < 0.9
    customers = pl.DataFrame(
        {
            "customer_id": [f"{plan.name}-c{number:07d}" for number in range(plan.customers)],
            "registered_at": registered_at,
            "gender": [one if said else None for one, said in zip(gender[main].tolist(), tells_gender, strict=True)],
            "birth_year": rng.integers(1945, 2009, plan.customers).astype(np.int32),
            "height_cm": pl.Series(np.where(tells, height.round(), np.nan)).fill_nan(None),
            "weight_kg": pl.Series(np.where(tells, weight.round(1), np.nan)).clip(35.0, 180.0).fill_nan(None),
            "bust_cm": pl.repeat(None, len(tells), dtype=pl.Float64, eager=True),
            "underbust_cm": pl.repeat(None, len(tells), dtype=pl.Float64, eager=True),
        },
        schema_overrides={"gender": pl.String},
    )
    return account, gender, sizes["apparel"], sizes["footwear"], customers


def _articles(plan: MarketPlan, rng: np.random.Generator) -> tuple[pl.DataFrame, Floats, Floats]:
    brand = rng.integers(0, plan.brands, plan.articles)
    brand_offset = rng.normal(0, _BRAND_OFFSET_STEPS, plan.brands)
    rows, offsets, steps = [], [], []
    for number in range(plan.articles):
        division = "apparel" if rng.random() < _APPAREL else "footwear"
        gender = "women" if rng.random() < _WOMEN else "men"
        category = str(rng.choice(_CATEGORIES[division]))
        system = _system(plan, division, category, rng)
        sizes = _labels(division, gender, system)
        step = _step(division, gender, system, sizes)
        rows.append((brand[number], division, category, gender, system, sizes))
        steps.append(step)
        offsets.append(step * (brand_offset[brand[number]] + rng.normal(0, _ARTICLE_OFFSET_STEPS)))
    columns = list(zip(*rows, strict=True))
    articles = pl.DataFrame(
        {
            "article_id": [f"{plan.name}-a{number:06d}" for number in range(plan.articles)],
            "brand": [f"brand-{one:03d}" for one in columns[0]],
            "division": columns[1],
            "category": columns[2],
            "gender": columns[3],
            "size_system": columns[4],
            "sizes": list(columns[5]),
            "launched_at": _spread_in(rng, plan, plan.articles),
            "online": rng.random(plan.articles) < 0.97,
        }
    )
    return articles, np.array(offsets), np.array(steps)


def _spread_in(rng: np.random.Generator, plan: MarketPlan, count: int) -> list[datetime]:
    """When each was there: most before the first order, the rest week by week, into the weeks after the history."""
    days = np.where(
        rng.random(count) < 0.6, -rng.integers(1, 300, count), rng.integers(0, 7 * (plan.history_weeks + 8), count)
    )
    return [FIRST_WEEK + timedelta(days=int(day)) for day in days]


def _system(plan: MarketPlan, division: str, category: str, rng: np.random.Generator) -> str:
    """Jeans are sized by waist, some apparel by letters, the rest by the market's number system."""
    number = next(system for system in plan.systems if system in ("EU", "UK", "US"))
    if category == "jeans" and "waist" in plan.systems:
        return "waist"
    if division == "apparel" and "letter" in plan.systems and rng.random() < 0.4:
        return "letter"
    return number


def _labels(division: str, gender: str, system: str) -> list[str]:
    """The article's sizes in its own system, in size order."""
    scale = scale_of(division, gender)
    if system == "letter":
        return list(_LETTERS)
    if system == "waist":
        return [f"{waist}/32" for waist in (range(23, 37) if gender == "women" else range(28, 43))]
    at_zero = position(scale, system, "0")
    assert at_zero is not None
    return [f"{size - at_zero:g}" for size in _STOCK[division, gender][0] if size - at_zero >= 0]


def _step(division: str, gender: str, system: str, sizes: list[str]) -> float:
    first, second = (position(scale_of(division, gender), system, label) for label in sizes[:2])
    assert first is not None and second is not None
    return max(second - first, 1.0)
