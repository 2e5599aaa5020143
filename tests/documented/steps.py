"""What becomes of each command that the documentation shows: `tests/e2e/test_written_commands.py` runs it, or no test.

A page shows a new command: add it to `STEPS`, at a place where what it needs is there, or to `NOT_RUN` with the reason.
"""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """A command as it is shown, and something true of what it prints, as a regular expression.

    `first` names what is prepared before it, and `expects` the exit codes that it may end with. Most are run in the
    session's environment, some in one that is `fresh`: nothing runs there, and its lake is empty. What runs until it is
    stopped is stopped after `stop_after_s`.
    """

    command: str
    says: str
    first: str = ""
    where: Literal["running", "fresh"] = "running"
    expects: tuple[int, ...] = (0,)
    stop_after_s: float | None = None


_ASK = '"$FITWAVE_URL/v1/markets/de/size-recommendations"'
_BEARER, _JSON = '"Authorization: Bearer $FITWAVE_KEY"', '"Content-Type: application/json"'
_TWO_ARTICLES = """'{"customer_id": "c-1001", "article_ids": ["a-1", "a-2"]}'"""
_ONE_CHOSEN = """'{"customer_id": "c-1001", "article_ids": ["a-1", "a-2"], "selected_sizes": {"a-2": "40"}}'"""
_JOB = "fitwave-main-de-20260706-20260706T030000000000"

STEPS = (
    # An empty environment.
    Step("fitwave lake generate --weeks 2", r"de .* 2026-07-20", where="fresh"),
    Step("fitwave lake validate", "de: good", where="fresh"),
    Step("fitwave lake validate --market de", "de: good", where="fresh"),
    Step("fitwave lake generate", r"de .* 2026-07-13", first="an empty lake", where="fresh"),
    Step("fitwave env create", "made: environment ", where="fresh"),
    Step("fitwave env list", "stopped", where="fresh"),
    Step("fitwave env destroy", "environment .* is gone", where="fresh"),
    Step("fitwave down", r"stopped redis \(pid \d+\)", first="redis", where="fresh"),
    # A week in the running one, and what it came to.
    Step("fitwave up", r"gateway .* answers"),
    Step("fitwave status", r"redis .* answers"),
    # What comes of the older market's week is for its standards to say, after whatever came before.
    Step(
        "fitwave trainer run --all --as-of 2026-07-06",
        r"de .* (challenger|rejected) .*\n.*\n.*fr .* champion",
        first="delivery",
    ),
    Step("fitwave trainer run --market de --as-of 2026-07-06", "de: this week has been run, and is v"),
    Step("fitwave trainer run --market fr --as-of 2026-07-06", "fr: this week has been run, and is v"),
    Step("fitwave lake validate --market fr", "fr: good"),
    Step("fitwave models list", r"fr .* champion"),
    Step("fitwave models list --market de", r"de .* champion"),
    Step("fitwave models show de v12", "train window"),
    Step("fitwave models diff de v11 v12", "as of"),
    # Keys, questions and bulk.
    Step("fitwave keys create --name shop --all-markets", "^fw_"),
    Step("fitwave keys create --name you --all-markets --scope console", "^fw_"),
    Step("fitwave keys create --name you --market de --scope console --scope operate", "^fw_"),
    Step("fitwave keys create --name shop --market fr", "^fw_"),
    Step("fitwave keys rotate KEY_ID --keep 24h", "^fw_", first="a key"),
    Step("fitwave keys list", "expires"),
    Step("fitwave keys revoke KEY_ID", "is revoked"),
    Step("fitwave audit --since 7d", "rotate key"),
    Step("fitwave config check", "environment test: no fault"),
    Step("fitwave config show --market de", "min_auc_macro: 0.55"),
    Step("fitwave config show --effective", "min_auc_macro: 0.55"),
    Step("fitwave serve deploy --dry-run", "nothing would change"),
    Step("fitwave serve status", r"fitwave-test .* RUNNING .* Gateway .* 1/1"),
    Step("fitwave serve deploy", r"serving at http://127\.0\.0\.1:\d+"),
    Step(
        "fitwave score --market de --customers customers.csv --articles articles.csv --out scores",
        r"[1-9]\d* pairs by de v\d+",
        first="score files",
    ),
    Step(
        "fitwave drift --market de --days 7 --out drift.html", "live questions beside", first="traffic", expects=(0, 1)
    ),
    Step("fitwave drift --market de", "live questions beside", expects=(0, 1)),
    Step(f"curl -sS {_ASK} -H {_BEARER} -H {_JSON} -d {_TWO_ARTICLES}", r'"article_id":"de-a\d+"'),
    Step(f'curl -sS {_ASK} -H "X-API-Key: $FITWAVE_KEY" -H {_JSON} -d {_ONE_CHOSEN}', r'"article_id":"de-a\d+"'),
    Step(f'curl -sS "$FITWAVE_URL/v1/markets" -H {_BEARER}', r'"name":"de","champion":"\d+","ready":true'),
    Step('curl -sS "$FITWAVE_URL/readyz"', '"status":"ready"'),
    Step('curl -sS "$FITWAVE_URL/metrics"', "^fitwave_requests_total"),
    Step('curl -sS "$FITWAVE_URL/openapi.json"', '"openapi":"3'),
    # A window, and how it ends.
    Step("fitwave shadow status", r"de .* v\d+ .* v\d+", first="challenger"),
    Step("fitwave shadow compare --market de", "de: (promote|reject|extend): "),
    Step("fitwave shadow compare --market de --page window.html", "de: (promote|reject|extend): "),
    Step("fitwave shadow settle --market de", "de: (promote|reject|extend): "),
    Step("fitwave shadow settle --all", "de: "),
    Step("fitwave shadow compact --all", "de: "),
    Step('fitwave shadow reject --market de --reason "too slow"', "de: rejected", first="challenger"),
    Step('fitwave shadow promote --market de --reason "seen enough"', "de: promoted", first="challenger"),
    Step("fitwave shadow guard --all", "de: "),
    Step("fitwave shadow review --all", "de"),
    Step("fitwave shadow review --market de", "de"),
    Step('fitwave shadow rollback --market de --reason "complaints" --champion v7', r"de: v\d+ -> v\d+"),
    Step('fitwave shadow rollback --market de --reason "complaints"', r"de: v\d+ -> v\d+", first="promotion"),
    Step('fitwave shadow rollback --market de --reason "..."', r"de: v\d+ -> v\d+", first="promotion"),
    Step("fitwave shadow history --market de", "rollback"),
    # What the runbooks look at; no error and no failed week is well, too.
    Step("curl -si localhost:$PORT/healthz", "200 OK"),
    Step("curl -s localhost:$PORT/metrics | grep fitwave_shadow_pairs_total", r'market="de"', first="pairs"),
    Step("curl -s localhost:$PORT/metrics | grep fitwave_model_info", r'market="de"'),
    Step("curl -s localhost:$PORT/metrics | grep fitwave_requests_total", r'market="de"'),
    Step(
        """curl -s localhost:$PORT/metrics | grep fitwave_requests_total | grep 'status="5'""",
        r'status="5|\A\Z',
        expects=(0, 1),
    ),
    Step(r"curl -s localhost:$PORT/metrics | grep 'fitwave_stage_seconds_\(sum\|count\)'", r'market="de"'),
    Step("curl -s localhost:$PORT/metrics | grep fitwave_week_", r'market="de"'),
    Step(
        "curl -s localhost:$PORT/metrics | grep fitwave_week_failures_total",
        r"fitwave_week_failures_total|\A\Z",
        expects=(0, 1),
    ),
    Step(
        r"curl -s localhost:$PORT/metrics | grep 'fitwave_recommendations_total\|fitwave_features_as_of'", 'market="de"'
    ),
    Step("ls -t var/main/ray/session_latest/logs/serve/ | head", r"\.log$"),
    Step(
        """grep -h '"levelname": "\\(WARNING\\|ERROR\\)"' """
        "var/main/ray/session_latest/logs/serve/replica_*.log | tail",
        r"\A({|\Z)",
    ),
    Step(
        """grep -h '"levelname": "ERROR"' var/main/ray/session_latest/logs/serve/*.log | tail -5""",
        r"\A({|\Z)",
    ),
    Step("tail -50 var/main/logs/ray.log", r"\S"),
    Step("tail -50 var/main/logs/redis.log", r"\S"),
    Step("df -h var", "^Filesystem"),
    # Earlier versions of the lake go with the customer.
    Step("fitwave customers forget de-c0000001 --market de", "online"),
    # Weeks that are asked for, and windows that are seen to.
    Step("fitwave trainer schedule cron", r"0 3 \* \* 1 .*trainer submit --market de"),
    Step("fitwave trainer schedule kubernetes --image registry/fitwave:1", "kind: CronJob"),
    Step("fitwave trainer schedule run", "(de|fr): due since", expects=(130,), stop_after_s=3.0),
    Step("fitwave trainer submit --all", r"de \S+ queued", first="quiet"),
    Step("fitwave trainer submit --all --due", r"de \S+ (queued|is under way already)"),
    Step("fitwave trainer jobs", "de .* (queued|running|done)"),
    Step("fitwave trainer schedule start", "^fitwave-test-", first="quiet"),
    Step("fitwave trainer logs JOB", "entrypoint", first="job"),
    Step("fitwave trainer logs NAME", "entrypoint"),
    Step(f"fitwave trainer logs {_JOB}", "entrypoint"),
    Step(f"fitwave trainer logs {_JOB} --json", "entrypoint"),
    Step("fitwave trainer schedule stop", "stopped fitwave-test-"),
    Step("fitwave shadow schedule cron", "fitwave shadow schedule look"),
    Step("fitwave shadow schedule kubernetes --image registry/fitwave:1", "kind: CronJob"),
    Step("fitwave shadow schedule start", "^fitwave-test-"),
)

# Commands that no test runs, as regular expressions, with the reason. Their arguments are parsed all the same.
NOT_RUN = {
    r"make \w+.*": "CI runs `make test`, of which this is a part; the others are its parts, or need what a test lacks",
    r"(\. \.venv/bin/activate|export .*|cd .*)": "of the reader's own shell",
    r"python -m benchmarks\.\w+ .*": "a benchmark: minutes to hours, and its figures are of a quiet machine",
    r"\.pants-venv/bin/pants .*": "needs a Python 3.9; tests/integration/test_pants.py runs some",
    r"python -m pytest .*": "it would run this very test",
    r"python -m pip (wheel|install) .*": "fetches and installs; tests/unit/libs/client builds the wheel and uses it",
    r"(terraform|kubectl|docker) .*": "needs a cloud, a cluster or a registry; docs/clusters.md says what was run",
    r"fitwave cluster render .*": "needs what Terraform printed; tests/unit/infra/kubernetes renders with a sample",
    r"(prometheus|promtool|FITWAVE_PROM.* grafana) .*": "come from their makers; tests ask promtool if there is one",
    r"top": "of a terminal",
    r"fitwave trainer run --all": "as with --as-of, which is run; it would be two trainings more",
    r"fitwave trainer run --market de --as-of v12": "tests/e2e/test_weekly_loop.py runs it with its v1",
    r"fitwave trainer tune .*": "minutes of search; tests/integration/test_tuning.py runs a small one",
}


def reason_not_to_run(command: str) -> str | None:
    """Why no test runs a command; None where it is not listed."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, command)), None)
