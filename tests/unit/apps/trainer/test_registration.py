"""Who may register: refused before anything is trained or written."""

from pathlib import Path
from typing import cast

import pytest

from apps.trainer.code_tag import Commit
from apps.trainer.registration import Registration
from libs.base.errors import DataError
from libs.models.registry import Registry
from tests.environments import environment_in

CLEAN, DIRTY = Commit("1" * 40), Commit("1" * 40, "abc")


def registration(folder: Path, production: bool, commit: Commit) -> Registration:
    environment = environment_in(folder, "prod", {"de": {}}, {"production": production})
    # Whoever is refused has not asked it.
    return Registration(environment, cast("Registry", None), commit)


def test_production_takes_nothing_of_a_dirty_tree(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'prod' is production and refuses any version that is made now"):
        registration(tmp_path, True, DIRTY).require_allowed()


@pytest.mark.parametrize(("production", "commit"), [(True, CLEAN), (False, DIRTY)])
def test_a_commit_is_enough_and_other_environments_take_anything(
    tmp_path: Path, production: bool, commit: Commit
) -> None:
    registration(tmp_path, production, commit).require_allowed()
