"""Log lines are JSON, and say which request or job they are about."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from libs.base.logs import REQUEST_ID, Asked, in_words, log_as_json
from libs.base.tracing import CURRENT


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    stream = io.StringIO()
    log_as_json({"environment": "test", "job": "j1"}, stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers


def test_a_line_has_the_job_the_request_the_trace_and_what_was_said_besides(written: io.StringIO) -> None:
    request, trace = REQUEST_ID.set("r-1"), CURRENT.set(f"00-{'a' * 32}-{'b' * 16}-01")
    logging.getLogger("apps.trainer.told").warning("%s failed", "de", extra={"market": "de"})
    REQUEST_ID.reset(request)
    CURRENT.reset(trace)
    line = json.loads(written.getvalue())
    assert line["message"] == "de failed"
    assert (line["environment"], line["job"], line["market"]) == ("test", "j1", "de")
    assert (line["levelname"], line["logger"]) == ("WARNING", "apps.trainer.told")
    assert (line["request_id"], line["trace_id"]) == ("r-1", "a" * 32)


def test_an_exception_is_in_its_line(written: io.StringIO) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("apps").exception("it failed")
    [line] = written.getvalue().splitlines()
    assert "ValueError: no such thing" in json.loads(line)["exc_text"]
    assert in_words(line).splitlines()[0].endswith("it failed")
    assert "Traceback" in in_words(line)


def test_the_gateways_own_request_id_stands_in_place_of_what_the_caller_has_sent() -> None:
    record = logging.makeLogRecord({"msg": "x", "request_id": "whatever a caller says"})
    token = REQUEST_ID.set("r-1")
    Asked().filter(record)
    REQUEST_ID.reset(token)
    assert vars(record)["request_id"] == "r-1"


def test_lines_of_others_are_left_as_they_are() -> None:
    for line in ("plain words", "", "[1, 2]", '{"no": "message"}', "7"):
        assert in_words(line) == line
