"""Small environments for tests: their files written, nothing started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment, load_environment

# Where nothing answers.
NOWHERE = Endpoints(
    redis_url="redis://127.0.0.1:1",
    mlflow_uri="http://127.0.0.1:1",
    ray_address="127.0.0.1:1",
    ray_dashboard_url="http://127.0.0.1:1",
    gateway_port=1,
)

# A market small enough to train in a second: 26 weeks of a few hundred lines.
SMALL_MARKET: dict[str, Any] = {
    "standards": {
        "min_auc_macro": 0.55,
        "min_top1_accuracy": 0.1,
        "min_holdout_lines": 100,
        "max_calibration_error": 0.2,
    },
    "training": {"rounds": 20, "min_child_weight": 5},
    "shadow": {"share": 0.5, "min_pairs": 50, "latency_margin": 20.0, "timeout_s": 5.0, "error_margin": 0.05},
}

# The markets of the session's environment.
MARKETS: dict[str, dict[str, Any]] = {
    "de": SMALL_MARKET,
    "us": SMALL_MARKET,
    # Two whose weeks are killed.
    "ch": SMALL_MARKET,
    "li": SMALL_MARKET,
    # One whose promotions are killed.
    "it": SMALL_MARKET,
    # A market whose every line its rules drop, and one that nothing was delivered for.
    "nobody": SMALL_MARKET | {"rules": [{"name": "fax only", "keep": {"kind": "channel_in", "channels": ["fax"]}}]},
    "empty": SMALL_MARKET,
}


def environment_in(
    folder: Path, name: str, markets: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None
) -> Environment:
    """Write an environment's files under `<folder>/config` and load it; its state goes to `<folder>/var`."""
    home = folder / "config" / name
    (home / "markets").mkdir(parents=True)
    content = {"state_dir": str(folder / "var")} | dict(settings or {})
    (home / "environment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for market, config in markets.items():
        (home / "markets" / f"{market}.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    return load_environment(name, folder / "config")
