"""The features, named once: what is computed offline, kept online and assembled for the model.

All statistics are counts and sums, never ratios: they add up exactly (positions are multiples of 1/64), so a feature
computed from history offline and one read online are the same number, bit for bit. Ratios are taken at assembly.
"""

# A customer's history on one size scale. `kept`, `small`, `large` are outcomes; `_sum` adds size positions.
CUSTOMER_STATISTICS = (
    "kept_n",
    "kept_sum",
    "kept_sum_of_squares",
    "small_n",
    "small_sum",
    "large_n",
    "large_sum",
)
# What is known of the customer's body; null when the customer never told.
CUSTOMER_BODY = ("height_cm", "weight_kg", "birth_year")

# An article's history, at its own level and at the wider ones it falls back to when it is new. `gap` is the distance
# of a kept size to what its customer had kept before: an article whose gaps are positive runs small.
LEVELS = ("article", "brand", "category", "market")
LEVEL_STATISTICS = ("n", "small_n", "large_n", "kept_n", "kept_sum", "gap_n", "gap_sum")
ARTICLE_STATISTICS = tuple(f"{level}_{statistic}" for level in LEVELS for statistic in LEVEL_STATISTICS)

# One value per size of the article, in size order. Whatever was too small in a size would have been too small in a
# smaller one too, so these counts are monotone in the size, and with them the model can be.
SIZE_STATISTICS = ("small_at_or_above", "large_at_or_below")
