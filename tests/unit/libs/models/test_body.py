"""The body's suggestion: what was learned on kept sizes, unknown where nothing is known."""

import numpy as np
import numpy.typing as npt

from libs.models.body import fit_body_size


def bodies(
    height: list[float], weight: list[float], year: list[float], scale: float = 0.0
) -> dict[str, npt.NDArray[np.float64]]:
    columns = {"height_cm": height, "weight_kg": weight, "birth_year": year, "scale": [scale] * len(height)}
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}


def test_it_recovers_a_size_that_grows_with_height() -> None:
    height = np.linspace(150, 190, 500)
    body = fit_body_size(bodies(height.tolist(), [np.nan] * 500, [1980.0] * 500), 0.25 * height)
    assert np.allclose(body.position(bodies([160, 180], [np.nan] * 2, [1980] * 2)), [40, 45], atol=0.05)


def test_without_height_and_weight_nothing_is_suggested() -> None:
    body = fit_body_size(bodies([160.0] * 300, [60.0] * 300, [1980.0] * 300), np.full(300, 38.0))
    assert np.isnan(body.position(bodies([np.nan], [np.nan], [1980.0]))).all()


def test_a_scale_with_too_few_bodies_suggests_nothing() -> None:
    body = fit_body_size(bodies([160.0] * 10, [60.0] * 10, [1980.0] * 10), np.full(10, 38.0))
    assert np.isnan(body.position(bodies([160.0], [60.0], [1980.0]))).all()


def test_one_unknown_measure_counts_as_average() -> None:
    rng = np.random.default_rng(0)
    height, weight = rng.normal(170, 8, 1000), rng.normal(65, 8, 1000)
    body = fit_body_size(bodies(height.tolist(), weight.tolist(), [1980.0] * 1000), 0.1 * height + 0.3 * weight)
    known = body.position(bodies([170.0], [float(weight.mean())], [1980.0]))
    assert np.allclose(body.position(bodies([170.0], [np.nan], [1980.0])), known)
