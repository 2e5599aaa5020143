"""A market's articles, numbered."""

import polars as pl

from libs.features.catalogue import Catalogue, article_sizes
from libs.features.sizes import SCALES
from tests.small_market import small_market


def catalogue() -> Catalogue:
    return Catalogue.of(small_market(lines=10).articles.reverse())


def test_two_labels_at_one_position_are_one_size() -> None:
    articles = small_market(lines=10).articles.head(1).with_columns(sizes=pl.lit(["38", "38,0", "40"]))
    assert article_sizes(articles)["size"].to_list() == ["38", "40"]


def test_articles_are_numbered_in_the_order_of_their_ids_whatever_order_they_come_in() -> None:
    found = catalogue()
    assert found.articles["article_id"].is_sorted()
    lines = pl.DataFrame({"article_id": ["a1", "a39", "nobody"], "size": ["38", "13", "38"]})
    numbered = found.numbered(lines)
    assert numbered["article"].to_list() == [1, found.articles["article_id"].to_list().index("a39"), None]
    assert numbered["position"].to_list() == [38.0, None, None]
    assert numbered["rank"].to_list() == [1, None, None]


def test_brands_and_categories_are_compared_within_a_scale() -> None:
    articles = small_market(lines=10).articles.with_columns(
        gender=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("women")).otherwise(pl.lit("men"))
    )
    found = Catalogue.of(articles)
    for level in ("brand", "category"):
        kinds = list(zip(found.articles[level], found.scale.tolist(), strict=True))
        keys = found.level_keys[level].tolist()
        assert len(set(kinds)) == len(set(keys)) == len(set(zip(kinds, keys, strict=True)))
    assert set(found.level_keys["market"]) == {SCALES.index("apparel-women"), SCALES.index("apparel-men")}


def test_the_step_is_the_usual_distance_of_sizes_and_that_of_one_size_none() -> None:
    articles = (
        small_market(lines=10).articles.head(3).with_columns(sizes=pl.Series([["36", "38", "44"], ["40"], ["never"]]))
    )
    step_low_high = Catalogue.of(articles).size_range().tolist()
    assert step_low_high[:2] == [[4.0, 36.0, 44.0], [0.0, 40.0, 40.0]]
    assert all(value != value for value in step_low_high[2])


def test_a_catalogue_without_articles_numbers_nothing() -> None:
    found = Catalogue.of(small_market(lines=10).articles.clear())
    numbered = found.numbered(pl.DataFrame({"article_id": ["a1"], "size": ["38"]}))
    assert numbered.select("article", "position", "rank").row(0) == (None, None, None)
