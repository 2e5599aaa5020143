"""The files that `make reference` makes from the models of the config; a test holds them against these."""

import json
from pathlib import Path

from infra.config.reference import reference
from infra.config.schema import environment_schema, market_schema
from libs.base.environment import REPOSITORY


def generated() -> dict[Path, str]:
    """Each file with what it has to say."""
    environment, market = environment_schema(), market_schema()
    folder = REPOSITORY / "infra" / "config" / "schema"
    return {
        folder / "environment.json": json.dumps(environment, indent=2) + "\n",
        folder / "market.json": json.dumps(market, indent=2) + "\n",
        REPOSITORY / "docs" / "configuration.md": reference(environment, market),
    }
