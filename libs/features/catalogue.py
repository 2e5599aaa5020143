"""A market's articles, numbered, with their sizes and the keys of what they fall back to when they are new."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices, offsets_of
from libs.features.columns import LEVELS, SIZE_RANGE
from libs.features.sizes import SCALES, position, scale_of

SIZE_KEY = ["article_id", "position"]


def article_sizes(articles: pl.DataFrame) -> pl.DataFrame:
    """One row per article and size that can be placed: article_id, size, position, scale, in size order.

    Two labels at one position are one size: the first one named stays.
    """
    sizes = articles.select("article_id", "division", "gender", "size_system", size="sizes").explode("size")
    positions = [
        position(scale_of(division, gender), system, size) if size is not None else None
        for _, division, gender, system, size in sizes.iter_rows()
    ]
    scales = [SCALES.index(scale_of(division, gender)) for division, gender in sizes["division", "gender"].iter_rows()]
    return (
        sizes.select("article_id", "size")
        .with_columns(
            pl.Series("position", positions, pl.Float64),
            pl.Series("scale", scales, pl.Int8),
        )
        .drop_nulls("position")
        .unique(SIZE_KEY, keep="first", maintain_order=True)
        .sort(SIZE_KEY)
    )


@dataclass(frozen=True)
class Catalogue:
    """a articles in the order of their ids, and m sizes of them in the order of article and position.

    `articles` is the table of the lakehouse; `sizes` is (m) with size and position; article i owns the sizes
    `offsets[i]:offsets[i + 1]`. `scale` is (a,); `level_keys` numbers, by level, what each article is counted under;
    `brands` holds the brands in order, `brand` (a,) which of them an article is of.
    """

    articles: pl.DataFrame
    sizes: pl.DataFrame
    offsets: Indices
    scale: Indices
    level_keys: dict[str, Indices]
    brand: Indices
    brands: pl.Series

    @classmethod
    def of(cls, articles: pl.DataFrame) -> "Catalogue":
        """Number the articles; the columns are those of the lakehouse's table."""
        articles = articles.sort("article_id")
        number = np.arange(len(articles))
        sizes = article_sizes(articles).join(
            articles.select("article_id", article=pl.Series(number)), on="article_id", maintain_order="left"
        )
        scale = np.array(
            [SCALES.index(scale_of(*kind)) for kind in articles["division", "gender"].iter_rows()], dtype=np.int64
        )
        brands, categories = (articles[name].unique().sort() for name in ("brand", "category"))
        brand, category = (
            articles[name].replace_strict(known, np.arange(len(known)), return_dtype=pl.Int64).to_numpy()
            for name, known in (("brand", brands), ("category", categories))
        )
        # Brands and categories are compared within a size scale: a brand's shoes say nothing of its shirts.
        keys = (number, brand * len(SCALES) + scale, category * len(SCALES) + scale, scale)
        return cls(
            articles=articles,
            sizes=sizes,
            offsets=offsets_of(np.bincount(sizes["article"].to_numpy(), minlength=len(articles))),
            scale=scale,
            level_keys=dict(zip(LEVELS, keys, strict=True)),
            brand=brand,
            brands=brands,
        )

    @property
    def size_counts(self) -> Indices:
        """How many sizes each article has; (a,)."""
        return np.diff(self.offsets)

    @property
    def positions(self) -> Floats:
        """The position of every size; (m,)."""
        positions: Floats = self.sizes["position"].to_numpy()
        return positions

    def numbered(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Add to order lines, by their `article_id` and `size`, what the catalogue says of them, null where nothing:
        article (its number), division, position, scale and rank (which of the article's sizes it is).
        """
        known = self.articles.select("article_id", "division", article=pl.int_range(pl.len(), dtype=pl.UInt32))
        ranked = self.sizes.select("article_id", "size", "position", "scale", rank=self._ranks())
        return lines.join(known, on="article_id", how="left", maintain_order="left").join(
            ranked, on=["article_id", "size"], how="left", maintain_order="left"
        )

    def _ranks(self) -> pl.Series:
        article = self.sizes["article"].to_numpy()
        return pl.Series(np.arange(len(article)) - self.offsets[article], dtype=pl.UInt32)

    def size_range(self) -> Floats:
        """By article `SIZE_RANGE`; (a, 3). The step of an article of one size is 0; one without sizes has NaNs."""
        known = self.sizes.group_by("article").agg(
            pl.col("position").diff().median().fill_null(0.0).alias("step"),
            pl.col("position").first().alias("low"),
            pl.col("position").last().alias("high"),
        )
        found = np.full((len(self.articles), len(SIZE_RANGE)), np.nan)
        found[known["article"].to_numpy()] = known.select("step", "low", "high").to_numpy()
        return found
