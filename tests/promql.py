"""Which metrics an expression of Prometheus names."""

from typing import Any

import promql_parser


def metrics_of(expression: str) -> set[str]:
    """The names of all selectors.

    Raises:
        ValueError: it is not PromQL.
    """
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, f"a selector without a name in {expression}"
            found.add(node.name)

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


def metric_of(series: str) -> str:
    """A histogram's name from one of its series."""
    for suffix in ("_bucket", "_sum", "_count"):
        series = series.removesuffix(suffix)
    return series
