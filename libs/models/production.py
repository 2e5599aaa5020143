"""What a production environment refuses: versions of code that no commit holds, and versions that others have made."""

from collections.abc import Mapping

from libs.base.environment import Environment
from libs.base.errors import DataError

DIRTY_TAG, ENVIRONMENT_TAG, BRANCH_TAG = "fitwave.git_dirty", "fitwave.environment", "fitwave.branch"


def maker_tags(environment: Environment, dirty: bool) -> dict[str, str]:
    """What a version says of who has made it: the environment, its branch if it has one, and whether the code had
    changes that no commit holds.
    """
    branch = environment.branch.name if environment.branch else ""
    return {DIRTY_TAG: str(dirty).lower(), ENVIRONMENT_TAG: environment.name, BRANCH_TAG: branch}


def require_fit(environment: Environment, what: str, tags: Mapping[str, str]) -> None:
    """See that a production environment may have what these tags are of; any other may have anything.

    Versions of earlier releases do not say which environment has made them, and are taken for its own.

    Raises:
        DataError: it may not; the message says why and what to do.
    """
    if not environment.production:
        return
    maker, branch = tags.get(ENVIRONMENT_TAG, environment.name), tags.get(BRANCH_TAG, "")
    if branch or maker != environment.name:
        of_branch = f" (branch {branch!r})" if branch else ""
        raise DataError(
            f"environment {environment.name!r} is production and refuses {what}: environment {maker!r}{of_branch} has "
            f"made it. Merge the code, and have the week run here: production trains its own models."
        )
    if tags.get(DIRTY_TAG, "false") != "false":
        raise DataError(
            f"environment {environment.name!r} is production and refuses {what}: the code it is made by has changes "
            f"that no commit holds. Commit them, or put the checkout back, and run the week again."
        )
