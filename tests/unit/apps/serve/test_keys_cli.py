"""`fitwave keys` before it reaches any store."""

import subprocess
import sys

import pytest
from cyclopts import CycloptsError

from apps.serve.keys_cli import app
from libs.base.errors import DataError


def run(*arguments: str) -> None:
    app(list(arguments), result_action="return_value")


@pytest.mark.parametrize("markets", [[], ["--market", "de", "--all-markets"]])
def test_create_wants_markets_or_all_of_them(markets: list[str]) -> None:
    with pytest.raises(DataError, match="say which markets"):
        run("create", "--name", "shop", "--environment", "main", *markets)


def test_create_knows_the_markets() -> None:
    with pytest.raises(DataError, match="unknown market 'xx'"):
        run("create", "--name", "shop", "--environment", "main", "--market", "xx")


@pytest.mark.parametrize("keep", ["", "soon", "24", "-7d"])
def test_rotate_wants_to_know_for_how_long_the_old_key_stays(keep: str) -> None:
    with pytest.raises(CycloptsError, match="--keep"):
        app(["rotate", "0123456789ab", *(["--keep", keep] if keep else [])], exit_on_error=False, print_error=False)


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, apps.serve.keys_cli; print({'ray', 'redis', 'starlette', 'limits'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
