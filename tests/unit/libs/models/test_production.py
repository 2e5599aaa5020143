"""What a production environment takes, and what it refuses."""

from pathlib import Path

import pytest

from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.models.production import maker_tags, require_fit
from tests.environments import environment_in


@pytest.fixture
def production(tmp_path: Path) -> Environment:
    return environment_in(tmp_path, "prod", {"de": {}}, {"production": True})


def test_its_own_clean_versions_are_taken(production: Environment) -> None:
    require_fit(production, "version 1", maker_tags(production, dirty=False))


def test_versions_of_earlier_releases_are_its_own(production: Environment) -> None:
    require_fit(production, "version 1", {"fitwave.git_dirty": "false"})
    with pytest.raises(DataError, match="changes that no commit holds"):
        require_fit(production, "version 1", {"fitwave.git_dirty": "true"})


def test_a_dirty_tree_is_refused(production: Environment) -> None:
    with pytest.raises(DataError, match=r"'prod' is production and refuses version 1: the code .* Commit them"):
        require_fit(production, "version 1", maker_tags(production, dirty=True))


def test_what_others_have_made_is_refused(production: Environment, tmp_path: Path) -> None:
    other = environment_in(tmp_path, "main", {"de": {}})
    with pytest.raises(DataError, match="environment 'main' has made it"):
        require_fit(production, "version 1", maker_tags(other, dirty=False))
    of_a_branch = maker_tags(other, dirty=False) | {"fitwave.branch": "feature/x"}
    with pytest.raises(DataError, match=r"environment 'main' \(branch 'feature/x'\) has made it"):
        require_fit(production, "version 1", of_a_branch)


def test_any_other_environment_takes_anything(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}})
    require_fit(environment, "version 1", {"fitwave.git_dirty": "true", "fitwave.branch": "x"})
