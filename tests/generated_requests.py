"""Requests by the thousand, generated from the OpenAPI document: valid ones, and ones broken in every place."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

from tests.served_gateway import ServedGateway


@dataclass(frozen=True)
class Found:
    """How many cases there were of each operation, how many answers of each status, and what broke the contract."""

    cases: Mapping[str, int]
    statuses: Mapping[int, int]
    breaks: frozenset[str]


def ask_generated(gateway: ServedGateway, examples: int, seed: int, with_key: bool, market: str | None) -> Found:
    """Ask so many generated cases of each operation, beside its examples and edge cases, and check all that is checked.

    `market` is the one asked about; None asks about any text.
    """
    config = {
        "seed": seed,
        "headers": {"Authorization": f"Bearer {gateway.key}"} if with_key else {},
        "parameters": {} if market is None else {"path.market": market},
        "generation": {"max-examples": examples, "database": "none"},
        # No operation makes anything that another could be asked about.
        "phases": {"stateful": {"enabled": False}},
        "continue-on-failure": True,
        "request-timeout": 10,
    }
    url = f"{gateway.url}/openapi.json"
    schema = schemathesis.openapi.from_url(url, config=SchemathesisConfig.from_dict(config))
    cases: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    breaks: set[str] = set()
    for event in from_schema(schema).execute():
        match event:
            case ScenarioFinished():
                answers = [one.response.status_code for one in event.recorder.interactions.values() if one.response]
                cases[event.recorder.label] += len(answers)
                statuses.update(answers)
                breaks.update(_breaks(event.recorder))
            case NonFatalError():
                breaks.add(f"{event.label}: {event.info.format()}")
            case FatalError():
                raise event.exception
    return Found(cases, statuses, frozenset(breaks))


def _breaks(recorder: ScenarioRecorder) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        body = recorder.cases[case_id].value.body
        for check in checks:
            found = check.failure_info
            if found is None or (check.name == "positive_data_acceptance" and _selects_what_is_not_asked(body)):
                continue
            yield f"{recorder.label}: {check.name}: {found.failure.title}\n{found.failure.message}\n{found.code_sample}"


def _selects_what_is_not_asked(body: Any) -> bool:
    """What the document forbids in words alone: no JSON Schema can say that one field's names are another's values."""
    match body:
        case {"selected_sizes": dict() as selected, "article_ids": list() as articles}:
            return not selected.keys() <= set(articles)
    return False
