"""Feast without the run-time type checks that make importing it slow."""

import subprocess
import sys

from libs.base.environment import REPOSITORY

# In a process of its own: Feast is imported once, however that was.
_IMPORT = """
import typeguard
before = typeguard.typechecked
from libs.features.feast_import import FeatureView
print("typeguard" in FeatureView.__init__.__code__.co_names, typeguard.typechecked is before)
"""


def run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_its_methods_are_as_they_are_written_and_what_others_check_is_still_checked() -> None:
    assert run(_IMPORT) == ["False", "True"]
