"""How a command ends: errors that are meant for people are one message and an exit code, bugs keep their traceback."""

import logging
import os
import sys

from cyclopts import App

from libs.base.errors import DataError, TransientError

# sysexits.h: EX_TEMPFAIL, "try again later".
_TEMPORARY = 75


def run(app: App, arguments: list[str] | None = None) -> None:
    """Run a command line and exit: 1 for wrong input, 75 for what may work later, else what the command returns."""
    _speak_to_people()
    try:
        result = app(arguments, result_action="return_value")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except TransientError as error:
        print(f"not now: {error}", file=sys.stderr)
        sys.exit(_TEMPORARY)
    sys.exit(result if isinstance(result, int) else 0)


def _speak_to_people() -> None:
    """What libraries tell those who program with them, such as deprecations, is not for who runs a command."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
