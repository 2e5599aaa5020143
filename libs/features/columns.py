"""The features, named once: what is computed offline, kept online and assembled for the model.

All statistics are counts and sums, never ratios: they add up exactly (positions are multiples of 1/64), so a feature
computed from history offline and one read online are the same number, bit for bit. Ratios are taken at assembly.
"""

# A customer's history: one entry for every size scale, size position and brand with an outcome, in that order.
HISTORY_KEY = ("history_scale", "history_position", "history_brand")
HISTORY_COUNTS = ("history_kept", "history_small", "history_large")

# What is known of the customer's body; null when the customer never told.
CUSTOMER_BODY = ("height_cm", "weight_kg", "birth_year", "bust_cm", "underbust_cm")

# An article's history, at its own level and at the wider ones it falls back to when it is new. A `gap` is the distance
# of a size to the one that was expected of its customer: an article whose kept gaps are positive runs small.
LEVELS = ("article", "brand", "category", "market")
LEVEL_STATISTICS = (
    "n",
    "small_n",
    "large_n",
    "kept_n",
    "kept_sum",
    "small_sum",
    "large_sum",
    "kept_gap_n",
    "kept_gap_sum",
    "small_gap_n",
    "small_gap_sum",
    "large_gap_n",
    "large_gap_sum",
)
ARTICLE_STATISTICS = tuple(f"{level}_{statistic}" for level in LEVELS for statistic in LEVEL_STATISTICS)

# One value per size of the article, in size order. Whatever was too small in a size would have been too small in a
# smaller one too, and what was not would not have been in a larger one: the first four are monotone in the size, and
# with them the model can be. The last three are of exactly that size, and are used for a size that is known to be
# chosen.
SIZE_STATISTICS = (
    "small_at_or_above",
    "not_small_at_or_below",
    "large_at_or_below",
    "not_large_at_or_above",
    "small_at",
    "large_at",
    "lines_at",
)

# Where an article's sizes lie on their scale: the usual distance from one to the next, the smallest, the largest.
SIZE_RANGE = ("size_step", "size_low", "size_high")
