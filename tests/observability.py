"""The alerts and dashboards of infra/observability, taken apart."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from libs.base.environment import REPOSITORY

FOLDER = REPOSITORY / "infra" / "observability"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
RUNBOOKS = REPOSITORY / "docs" / "runbooks"


def rules() -> list[dict[str, Any]]:
    """All rules of all files."""
    read = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [rule for content in read for group in content["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """The names of series that rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboard_expressions(path: Path) -> list[str]:
    """Of all panels; and what the variables are looked up in, as selectors."""
    board = json.loads(path.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    looked_up = [re.fullmatch(r"label_values\((.+), \w+\)", one["query"]) for one in board["templating"]["list"]]
    return asked + [found[1] for found in looked_up if found]


def expressions() -> list[str]:
    """All of them."""
    return [rule["expr"] for rule in rules()] + [one for path in DASHBOARDS for one in dashboard_expressions(path)]
