"""Questions made up for tests: one article of a few sizes, and any history."""

import numpy as np
from hypothesis import strategies as st

from libs.features.assembly import NOT_CHOSEN, Requests
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, LEVELS, SIZE_STATISTICS

counts = st.integers(0, 50).map(float)
_RISING = ("not_small_at_or_below", "large_at_or_below")


def asked(
    positions: tuple[float, ...] = (36, 38, 40, 42, 44),
    kept: dict[float, float] | None = None,
    same_brand: bool = False,
    chosen: int = NOT_CHOSEN,
    **values: float,
) -> Requests:
    """One question about an article without history of its own; `kept` counts what the customer kept by position."""
    worn = sorted((kept or {}).items())
    nothing = np.zeros(len(worn))
    known = dict.fromkeys((*CUSTOMER_BODY, "body_position"), np.nan) | dict.fromkeys(ARTICLE_STATISTICS, 0.0)
    known |= {"scale": 0.0, "size_step": 2.0, "size_low": positions[0], "size_high": positions[-1]} | values
    return Requests(
        values={name: np.array([value]) for name, value in known.items()},
        size_values={"positions": np.array(positions, dtype=np.float64)}
        | dict.fromkeys(SIZE_STATISTICS, np.zeros(len(positions))),
        offsets=np.array([0, len(positions)]),
        history={
            "position": np.array([float(position) for position, _ in worn]),
            "kept": np.array([count for _, count in worn], dtype=np.float64),
            "small": nothing,
            "large": nothing,
            "same_brand": np.full(len(worn), float(same_brand)),
        },
        history_offsets=np.array([0, len(worn)]),
        chosen=np.array([chosen]),
    )


@st.composite
def questions(draw: st.DrawFn) -> Requests:
    """One question about an article with three to eight sizes and any history."""
    size = draw(st.integers(3, 8))
    low = 36.0
    values = {name: draw(counts) for name in ARTICLE_STATISTICS}
    values |= {f"{level}_n": sum(values[f"{level}_{one}_n"] for one in ("small", "kept", "large")) for level in LEVELS}
    values |= {name: draw(st.sampled_from([np.nan, 170.0])) for name in CUSTOMER_BODY}
    values |= {"body_position": draw(st.sampled_from([np.nan, 40.0])), "scale": float(draw(st.integers(0, 7)))}
    values |= {"size_step": 2.0, "size_low": low, "size_high": low + 2 * (size - 1)}

    def per_size(name: str) -> np.ndarray:
        found = np.array([draw(counts) for _ in range(size)])
        if name.endswith("_at"):
            return found
        return np.sort(found) if name in _RISING else np.sort(found)[::-1].copy()

    entries = sorted(draw(st.lists(st.integers(30, 60), max_size=6, unique=True)))
    history = {name: np.array([draw(counts) for _ in entries]) for name in ("kept", "small", "large")}
    return Requests(
        values={name: np.array([value]) for name, value in values.items()},
        size_values={"positions": low + 2 * np.arange(size)} | {name: per_size(name) for name in SIZE_STATISTICS},
        offsets=np.array([0, size]),
        history={
            "position": np.array([float(entry) for entry in entries]),
            "same_brand": np.array([float(draw(st.booleans())) for _ in entries]),
            **history,
        },
        history_offsets=np.array([0, len(entries)]),
        chosen=np.array([draw(st.integers(NOT_CHOSEN, size - 1))]),
    )
