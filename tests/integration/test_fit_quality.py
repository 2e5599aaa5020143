"""The benchmark on public data, end to end on a small file of its schema: as a command, and from within."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest

from benchmarks.fit_quality import THREADS, measured, prepare
from benchmarks.rentals import read_both
from benchmarks.unseen import Asked, ask
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, load_environment
from libs.base.errors import DataError
from libs.features.assembly import Requests
from libs.features.outcomes import OUTCOMES
from libs.features.preprocess import Prepared
from libs.features.renttherunway import Rental
from libs.features.sizes import position
from libs.models.ordinal import Probabilities
from libs.models.package import Package
from libs.models.training import fit_market

SEED = 1
TESTED = 150
# Also in the file to learn from, as where somebody holds out a part of a file and trains on the whole of it.
IN_BOTH = 5
AREAS = ("auc_macro", "auc_weighted", "auc_small", "auc_fit", "auc_large")
OTHER = {"small": "fit", "fit": "large", "large": "small"}

Line = dict[str, Any]


def rental_lines(count: int = 1_500, customers: int = 250, items: int = 40, days: int = 150) -> list[Line]:
    """Rentals over five months in the published file's schema, no two alike; off one's own size it tends to misfit."""
    rng = np.random.default_rng(SEED)
    own = 4 + 2 * rng.integers(0, 7, customers)
    runs_small = rng.integers(-1, 2, items)
    lines = []
    for pair in rng.choice(customers * items, count, replace=False):
        user, item = divmod(int(pair), items)
        size = int(max(0, own[user] + 2 * rng.integers(-1, 2)))
        room = (size - own[user]) / 2 - 0.5 * runs_small[item] + rng.normal(0, 0.5)
        body: Line = {"height": f"5' {user % 12}\"", "weight": f"{100 + 4 * own[user]}lbs", "bust size": "34d"}
        lines.append(
            {
                "fit": "small" if room < -0.75 else "large" if room > 0.75 else "fit",
                "user_id": str(1_000 + user),
                "item_id": str(100 + item),
                "category": ("gown", "romper", "dress")[item % 3],
                "size": size,
                "age": str(20 + user % 50),
                "rating": "10",
                "review_text": "Lovely",
                "review_date": f"{date(2016, 1, 1) + timedelta(days=int(rng.integers(days))):%B %d, %Y}",
            }
            | (body if user % 4 else {})
        )
    return lines


def with_strangers(tested: Sequence[Line]) -> list[Line]:
    """The same, but some of customers, articles, categories and sizes that were never learned from."""
    new: list[Line] = [{"user_id": "new"}, {"item_id": "new"}, {"category": "new", "item_id": "newer"}, {"size": 58}]
    return [line | (new[number] if number < len(new) else {}) for number, line in enumerate(tested)]


@dataclass(frozen=True)
class Files:
    """Two files to learn from, of which the second shares a few rentals with `test`, and `test` with other outcomes."""

    train: list[Path]
    test: Path
    other_outcomes: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("rentals")
    lines = rental_lines()
    tested, learned = with_strangers(lines[:TESTED]), lines[TESTED:]
    contents = {
        "train1": learned[:700],
        "train2": learned[700:] + tested[-IN_BOTH:],
        "test": tested,
        "other": [line | {"fit": OTHER[line["fit"]]} for line in tested],
    }
    paths = {name: folder / f"{name}.json" for name in contents}
    for name, content in contents.items():
        paths[name].write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    return Files([paths["train1"], paths["train2"]], paths["test"], paths["other"])


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and the folders and processes of its own that it has left behind."""

    code: int
    stdout: str
    stderr: str
    left: list[str]


def command(train: Sequence[Path], out: Path, *arguments: str) -> Ended:
    """The command as a person runs it: it starts and stops a stack of its own, and knows nothing of the session's."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "FITWAVE_"))}
    called = [sys.executable, "-m", "benchmarks.fit_quality", "--train", *map(str, train), "--out", str(out)]
    # Not pytest's own folder: the paths of Ray's sockets may be no longer than some hundred characters.
    with tempfile.TemporaryDirectory(prefix="fq-") as folder:
        done = subprocess.run(
            [*called, "--seed", str(SEED), *arguments],
            cwd=REPOSITORY,
            env=variables | {"TMPDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        left = [path.name for pattern in ("fw-*", "fitwave-*") for path in Path(folder).glob(pattern)]
        running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return Ended(done.returncode, done.stdout, done.stderr, [*left, *(one for one in running if folder in one)])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out") / "figures.json"


@pytest.fixture(scope="module")
def ended(files: Files, out: Path) -> Ended:
    """One run of the command that trains, asks and measures."""
    done = command(files.train, out, "--test", str(files.test))
    assert done.code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def figures(ended: Ended, out: Path) -> dict[str, Any]:
    """What it wrote."""
    written: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return written


@dataclass(frozen=True)
class Run:
    """What the command does within: the package, the tables it was fitted on, and the answers."""

    package: Package
    prepared: Prepared
    rentals: Sequence[Rental]
    asked: Asked


def run_within(train: Sequence[Path], test: Path, folder: Path) -> Run:
    environment = load_environment("quality").model_copy(update={"state_dir": folder})
    rentals = read_both(train, test)
    market, prepared = prepare(environment, rentals, SEED)
    package = fit_market(market, prepared.training_path, None, THREADS).package
    return Run(package, prepared, rentals.test, ask(package, prepared, rentals.test))


@pytest.fixture(scope="module")
def run(files: Files, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with connected(endpoints):
        return run_within(files.train, files.test, tmp_path_factory.mktemp("run"))


def test_the_figures_have_exactly_their_names(figures: dict[str, Any]) -> None:
    counts = ("monotonicity_violations", "rows", "unanswered", "sizes_answered")
    assert list(figures) == [*AREAS, "log_loss", "ece", *counts, "seconds"]


def test_what_is_printed_is_what_was_left_out_and_then_the_figures(ended: Ended, figures: dict[str, Any]) -> None:
    note, printed = ended.stdout.split("\n", 1)
    assert note == f"train: {IN_BOTH} rentals are in the test file too and are not trained on"
    assert json.loads(printed) == figures


def test_the_command_stops_what_it_started(ended: Ended) -> None:
    assert ended.left == []


def test_every_held_out_rental_is_answered_even_of_strangers(figures: dict[str, Any]) -> None:
    assert (figures["rows"], figures["unanswered"]) == (TESTED, 0)
    assert figures["sizes_answered"] > 2 * TESTED


def test_the_answers_are_better_than_chance_and_never_contradict_the_order_of_sizes(figures: dict[str, Any]) -> None:
    assert all(0.6 < figures[name] < 1 for name in AREAS), figures
    assert 0 < figures["log_loss"] < np.log(3)
    assert 0 < figures["ece"] < 0.2
    assert figures["monotonicity_violations"] == 0
    assert figures["seconds"] > 0


def test_the_command_measures_what_is_measured_from_within(figures: dict[str, Any], run: Run) -> None:
    assert measured(run.asked) == pytest.approx({name: figures[name] for name in figures if name != "seconds"})


def test_the_outcomes_of_the_test_file_change_no_answer(
    files: Files, run: Run, endpoints: Endpoints, tmp_path: Path
) -> None:
    """Neither through the training nor through the features nor through which rentals are trained on."""
    with connected(endpoints):
        other = run_within(files.train, files.other_outcomes, tmp_path)
    assert (other.asked.outcomes != run.asked.outcomes).all()
    assert other.asked.predicted.tobytes() == run.asked.predicted.tobytes()
    for table in ("training_path", "customers_path", "articles_path"):
        first, second = (sorted(Path(getattr(one.prepared, table)).iterdir()) for one in (run, other))
        assert [path.name for path in first] == [path.name for path in second]
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second], table


def test_the_answers_differ_between_sizes_and_customers(run: Run) -> None:
    assert len(np.unique(run.asked.predicted, axis=0)) > TESTED / 3
    assert run.asked.predicted.sum(axis=1) == pytest.approx(1.0)


def test_an_answer_is_that_of_its_rental_in_whatever_company_it_is_asked(run: Run) -> None:
    backwards = ask(run.package, run.prepared, run.rentals[::-1])
    assert backwards.predicted[::-1].tobytes() == run.asked.predicted.tobytes()
    assert backwards.outcomes[::-1].tolist() == run.asked.outcomes.tolist()
    alone = ask(run.package, run.prepared, run.rentals[7:8])
    assert alone.predicted.tolist() == run.asked.predicted[7:8].tolist()


def test_rentals_of_what_is_not_online_are_counted_and_not_answered(run: Run) -> None:
    first = run.rentals[0]
    found = ask(run.package, run.prepared, [replace(first, item="nothing"), first, replace(first, size=99)])
    assert (len(found.predicted), found.outcomes.tolist(), found.unanswered) == (1, [run.asked.outcomes[0]], 2)
    nothing = ask(run.package, run.prepared, [replace(first, item="nothing")])
    assert (nothing.predicted.shape, nothing.unanswered) == ((0, 3), 1)


class Answering:
    """In the place of a package: answers by a rule."""

    def __init__(self, rule: Callable[[Requests], Probabilities]) -> None:
        self.predict = rule


def asked_of(rule: Callable[[Requests], Probabilities], run: Run) -> Asked:
    return ask(cast("Package", Answering(rule)), run.prepared, run.rentals)


def test_the_answer_that_counts_is_that_for_the_rented_size_once_it_is_chosen(run: Run) -> None:
    def places(requests: Requests) -> Probabilities:
        chosen = np.repeat(requests.chosen, np.diff(requests.offsets)).astype(np.float64)
        own = np.concatenate([np.arange(count) for count in np.diff(requests.offsets)])
        return np.column_stack([requests.size_values["positions"], own, chosen])

    found = asked_of(places, run).predicted
    assert found[:, 0].tolist() == [position("apparel-women", "US", str(one.size)) for one in run.rentals]
    assert found[:, 1].tolist() == found[:, 2].tolist()


def test_an_outcome_is_that_of_the_file(files: Files, run: Run) -> None:
    assert [OUTCOMES[code] for code in run.asked.outcomes] == [line["fit"] for line in lines_of(files.test)]


@pytest.mark.parametrize("contrary", ["small", "large"])
def test_a_model_that_contradicts_the_order_of_sizes_is_found_out_at_every_step(run: Run, contrary: str) -> None:
    def rule(requests: Requests) -> Probabilities:
        rising, level = requests.size_values["positions"] / 200, np.full(requests.offsets[-1], 0.25)
        return np.column_stack([rising, level, level] if contrary == "small" else [level, level, 1 - rising])

    found = asked_of(rule, run)
    assert found.violations == found.sizes - 2 * len(found.outcomes) > 0


def lines_of(*paths: Path) -> list[Line]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_training_of_one_outcome_is_refused_by_name(files: Files, endpoints: Endpoints, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text("\n".join(json.dumps(line | {"fit": "fit"}) for line in lines_of(*files.train)), encoding="utf-8")
    refused = r"training needs all three outcomes, the market has \{'small': 0, "
    with connected(endpoints), pytest.raises(DataError, match=refused):
        run_within([kept], files.test, tmp_path)


def test_a_test_file_without_outcomes_is_refused_by_name(files: Files, tmp_path: Path) -> None:
    bare = tmp_path / "bare.json"
    asks = [{name: value for name, value in line.items() if name != "fit"} for line in lines_of(files.test)]
    bare.write_text("\n".join(map(json.dumps, asks)), encoding="utf-8")
    done = command(files.train, tmp_path / "figures.json", "--test", str(bare))
    assert done.code == 1
    assert f"error: {bare} has no line of the RentTheRunway schema among its {TESTED}" in done.stderr
    assert f"'fit is missing': {TESTED}" in done.stderr
    assert "Traceback" not in done.stderr
