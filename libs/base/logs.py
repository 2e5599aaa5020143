"""Logs as lines of JSON, each with the request or the job that it is about."""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from libs.base.tracing import trace_id

# The request that is being answered; empty outside of one.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

# What every record has; what else there is, somebody has said with `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Asked(logging.Filter):
    """Writes into each record the request it is about, and its trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Serve would write what the caller has sent as its request id, whatever that is.
        if request_id := REQUEST_ID.get():
            record.request_id = request_id
        if found := trace_id():
            record.trace_id = found
        return True


class JsonLines(logging.Formatter):
    """One JSON object a record, with the names that Serve's own has, and what `about` says of all of them."""

    def __init__(self, about: Mapping[str, str]) -> None:
        super().__init__()
        self._about = dict(about)

    def format(self, record: logging.LogRecord) -> str:
        said = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line = {
            "asctime": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "levelname": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **self._about,
            **said,
        }
        if record.exc_info:
            line["exc_text"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_as_json(about: Mapping[str, str], stream: TextIO = sys.stdout) -> None:
    """Have all loggers of this process write lines of JSON: ours what they do, those of libraries only warnings."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(about))
    handler.addFilter(Asked())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("apps", "libs"):
        logging.getLogger(name).setLevel(logging.INFO)


def in_words(line: str) -> str:
    """A line for people: the time and the message, if it is one of ours."""
    try:
        said = json.loads(line)
        return f"{said['asctime'][11:19]} {said['message']}" + (f"\n{said['exc_text']}" if "exc_text" in said else "")
    except (ValueError, KeyError, TypeError):
        return line
