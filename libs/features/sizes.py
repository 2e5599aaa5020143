"""Size scales: where a size label stands among all sizes of its kind.

Within one kind of body and garment (division and gender: a *scale*), the systems EU, UK, US, letter and waist are
placed on one axis, counted in EU sizes, so that a customer's EU history speaks about an article sized in letters.
Footwear and apparel never share a scale.

All positions are multiples of 1/64: sums and sums of squares of them are exact in a double, in whatever order they
are added. Offline and online features are equal bit for bit because of it.
"""

import re
from functools import lru_cache

SCALES = tuple(
    f"{division}-{gender}" for division in ("apparel", "footwear") for gender in ("women", "men", "kids", "unisex")
)

# EU minus the system's own number. Apparel: EN 13402-3 and retail practice (women EU 36 = UK 8 = US 6 on this axis,
# men EU 48 = UK/US 38). Footwear: EU 42 = UK 8 = US 9 (men), EU 38 = UK 5 = US 7 (women), in whole EU sizes.
_OFFSETS: dict[tuple[str, str], float] = {
    ("apparel-women", "UK"): 28,
    ("apparel-women", "US"): 30,
    ("apparel-men", "UK"): 10,
    ("apparel-men", "US"): 10,
    ("apparel-unisex", "UK"): 10,
    ("apparel-unisex", "US"): 10,
    ("footwear-women", "UK"): 33,
    ("footwear-women", "US"): 31,
    ("footwear-men", "UK"): 34,
    ("footwear-men", "US"): 33,
    ("footwear-unisex", "UK"): 34,
    ("footwear-unisex", "US"): 33,
    ("footwear-kids", "UK"): 17,
    ("footwear-kids", "US"): 16.5,
}
_LETTERS = ("XXXS", "XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "4XL", "5XL", "6XL")
_LETTER_ALIASES = {"3XS": "XXXS", "2XS": "XXS", "2XL": "XXL", "3XL": "XXXL"}
# Position of M, and EU sizes from one letter to the next.
_LETTER_AXIS = {
    "apparel-women": (40.0, 2.0),
    "apparel-men": (50.0, 2.0),
    "apparel-unisex": (46.0, 2.0),
    "apparel-kids": (128.0, 12.0),
    "footwear-women": (38.5, 1.5),
    "footwear-men": (42.5, 1.5),
    "footwear-unisex": (40.5, 1.5),
    "footwear-kids": (30.0, 2.0),
}
# EU size at a waist of 0 inches: women 28" = EU 38, men 32" = EU 48, two EU sizes for two inches.
_WAIST_OFFSETS = {"apparel-women": 10.0, "apparel-men": 16.0, "apparel-unisex": 14.0}
_NUMBER = re.compile(r"^\d{1,3}(?:[.,]\d{1,3})?$")
_WAIST = re.compile(r"^W?(\d{2})(?:\s*[/x]\s*L?(\d{2}))?$", re.IGNORECASE)


def scale_of(division: str, gender: str) -> str:
    """The scale that articles of this division and gender share."""
    return f"{division}-{gender}"


@lru_cache(maxsize=65_536)
def position(scale: str, system: str, label: str) -> float | None:
    """Where `label` stands on `scale`, in EU sizes, a multiple of 1/64; None when the system has no such size."""
    label = label.strip()
    if system == "letter":
        return _letter(scale, label.upper())
    if system == "waist":
        return _waist(scale, label)
    if not _NUMBER.fullmatch(label):
        return None
    number = float(label.replace(",", "."))
    offset = 0.0 if system == "EU" else _OFFSETS.get((scale, system))
    return None if offset is None else _round(number + offset)


def _letter(scale: str, label: str) -> float | None:
    name = _LETTER_ALIASES.get(label, label)
    if name not in _LETTERS or scale not in _LETTER_AXIS:
        return None
    middle, step = _LETTER_AXIS[scale]
    return middle + step * (_LETTERS.index(name) - _LETTERS.index("M"))


def _waist(scale: str, label: str) -> float | None:
    match = _WAIST.fullmatch(label)
    if match is None or scale not in _WAIST_OFFSETS:
        return None
    waist, length = match.groups()
    # A longer leg of the same waist is a slightly larger size: 1/64 an inch keeps the order and stays below a size.
    return (
        float(waist) + _WAIST_OFFSETS[scale] + (int(length) - 32) / 64
        if length
        else (float(waist) + _WAIST_OFFSETS[scale])
    )


def _round(value: float) -> float:
    return round(value * 64) / 64
