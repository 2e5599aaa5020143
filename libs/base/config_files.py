"""Where an environment's files are. One of the repository has a folder; a branch's lays its own files over those.

| | files | is |
|---|---|---|
| `main`, `demo` | `infra/environments/<name>/` | committed, for everybody |
| a branch's | `<state>/<name>/config/` | made by `fitwave env create`; says only what differs from its base |

`<state>` is `$FITWAVE_STATE_DIR`, by default `var`, which git ignores.
"""

import os
from pathlib import Path

from libs.base.checked_yaml import read_file
from libs.base.errors import DataError

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG_ROOT = REPOSITORY / "infra" / "environments"
SETTINGS_FILE = "environment.yaml"
# Beside the settings of a branch's environment that is being destroyed.
DESTROYING = "destroying"


def config_root(root: Path | None = None) -> Path:
    """The folder of the committed environments: by default `$FITWAVE_CONFIG`, then `infra/environments`."""
    return root or Path(os.environ.get("FITWAVE_CONFIG") or CONFIG_ROOT)


def state_root() -> Path:
    """The folder that branches' environments are in, with all of their state."""
    return Path(os.environ.get("FITWAVE_STATE_DIR") or REPOSITORY / "var").absolute()


def committed(root: Path | None = None) -> list[str]:
    """The names of the committed environments."""
    folder = config_root(root)
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def branch_folder(name: str) -> Path:
    """The folder of the files that a branch's environment has of its own, whether or not there is one."""
    return state_root() / name / "config"


def layers(name: str, root: Path | None = None, *, even_destroying: bool = False) -> list[Path]:
    """The folders of an environment's files, each laid over those before it.

    Raises:
        DataError: there is none of this name, or there are two, or it is being destroyed.
    """
    own, shared = branch_folder(name), config_root(root) / name
    if not (own / SETTINGS_FILE).exists():
        if shared.is_dir():
            return [shared]
        found = ", ".join(committed(root)) or "none"
        raise DataError(
            f"no environment {name!r} under {config_root(root)}: there is {found}. Set --environment or "
            f"FITWAVE_CONFIG; `fitwave env list` shows those of branches."
        )
    if shared.is_dir():
        raise DataError(f"environment {name!r} is one of the repository, {shared}, and a branch's, {own}: rename one")
    if (own / DESTROYING).exists() and not even_destroying:
        raise DataError(
            f"environment {name!r} is being destroyed: run `fitwave env destroy --environment {name}` again"
        )
    branch = read_file(own / SETTINGS_FILE).values.get("branch")
    base = branch.get("base") if isinstance(branch, dict) else None
    if not isinstance(base, str):
        raise DataError(f"{own / SETTINGS_FILE} does not say the base of its branch, as `branch: {{base: main, ...}}`")
    if not (config_root(root) / base).is_dir():
        raise DataError(
            f"environment {name!r} is based on {base!r}, which is none of {config_root(root)}: put that folder back"
        )
    return [config_root(root) / base, own]
