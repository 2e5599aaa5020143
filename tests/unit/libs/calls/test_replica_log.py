"""Where a replica's own log lines go."""

import logging
from collections.abc import Iterator

import pytest

from libs.calls.replica_log import log_beside_serve


@pytest.fixture
def serves_file() -> Iterator[list[str]]:
    """What Serve's handler has written."""
    written: list[str] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler = Written()
    serve, *ours = [logging.getLogger(name) for name in ("ray.serve", "apps", "libs")]
    before = {logger: (logger.level, list(logger.handlers)) for logger in ours}
    serve.addHandler(handler)
    yield written
    serve.removeHandler(handler)
    for logger, (level, handlers) in before.items():
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_what_apps_and_libs_say_is_in_serves_file_once(serves_file: list[str]) -> None:
    log_beside_serve()
    log_beside_serve()
    logging.getLogger("libs.calls.caller").warning("a replica was lost")
    logging.getLogger("apps.serve.gateway").info("a request failed")
    assert serves_file == ["a replica was lost", "a request failed"]
