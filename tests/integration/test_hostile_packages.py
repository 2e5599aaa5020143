"""What somebody puts in the place of a registered model is refused unread, runs nothing, and the old model answers on.

From a real MLflow store to what a replica does when it is told of a version.
"""

import os
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import xgboost as xgb

from libs.base.errors import DataError
from libs.base.market import Market, Training
from libs.features.snapshot import snapshot
from libs.features.tables import build_tables
from libs.models import package as package_module
from libs.models.contract import ModelRef
from libs.models.fingerprint import BOOSTER_FILE, CARD_FILE, fingerprint, sha256_of
from libs.models.package import save
from libs.models.registry import Registry, Version
from libs.models.score_call import Scored
from libs.models.scorer import Scorer
from libs.models.training import fit_market
from tests.small_market import AS_OF, small_market
from tests.unit.libs.models.online_rows import article, customer

MUTATED = 500
row = pytest.mark.row(
    "26",
    f"{MUTATED} mutated models, a pickle, a hostile MLflow `loader_module`",
    "all refused before they are parsed; no code run; the old model answers",
)


@dataclass
class Replica:
    """What answers with the market's champion, and whether a package was parsed since it has."""

    registry: Registry
    scorer: Scorer
    champion: Version
    parsed: list[str]

    def answers(self) -> Scored:
        asked = snapshot([0], [(customer(3), article("apparel-women", 5.0))])
        return self.scorer.score("de", asked, ["a"])

    def register(self, folder: Path, sha256: str) -> ModelRef:
        return self.registry.register("de", folder, sha256, {}, {}).ref

    def refuses(self, ref: ModelRef, why: str) -> None:
        before = self.answers()
        with pytest.raises(DataError, match=why):
            self.scorer.set_models({"de": ref})
        after = self.answers()
        assert (after.version, after.recommendations) == (before.version, before.recommendations)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    market, data = Market(name="de", training=Training(rounds=5)), small_market()
    tables = build_tables(market, data.lines, data.returns, data.customers, data.articles, AS_OF)
    tables.training.write_parquet(folder / "training.parquet")
    save(fit_market(market, str(folder / "training.parquet"), champion=None).package, folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("mlflow")
    return Registry("hostile", f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


@pytest.fixture
def replica(registry: Registry, made: Path, monkeypatch: pytest.MonkeyPatch) -> Replica:
    champion = registry.register("de", made, fingerprint(made), {}, {})
    scorer, parsed = Scorer(), list[str]()
    scorer.set_models({"de": champion.ref})
    card, load_model = package_module._card, xgb.Booster.load_model

    def noted_card(folder: Path, content: bytes) -> package_module.Card:
        parsed.append(CARD_FILE)
        return card(folder, content)

    def noted_booster(booster: xgb.Booster, content: bytearray) -> None:
        parsed.append(BOOSTER_FILE)
        load_model(booster, content)

    monkeypatch.setattr(package_module, "_card", noted_card)
    monkeypatch.setattr(xgb.Booster, "load_model", noted_booster)
    return Replica(registry, scorer, champion, parsed)


def mutated(contents: dict[str, bytes], random_: random.Random) -> dict[str, bytes]:
    """Both files, one of them damaged or replaced in one of the ways that there are."""
    name, other = random_.sample([BOOSTER_FILE, CARD_FILE], 2)
    content = bytearray(contents[name])
    first, last = sorted(random_.sample(range(len(content)), 2))
    match random_.randrange(8):
        case 0:
            content[first] ^= 1 << random_.randrange(8)
        case 1:
            del content[first:]
        case 2:
            content += random_.randbytes(random_.randint(1, 64))
        case 3:
            del content[first:last]
        case 4:
            content[first:last] = reversed(content[first:last])
            content[first] ^= 255  # it may have been the same from both ends
        case 5:
            content[first:first] = content[first:last]
        case 6:
            # What one file loses the other gains: together they are the same bytes.
            return {name: bytes(content[:first]), other: bytes(content[first:]) + contents[other]}
        case 7:
            return {name: contents[other], other: contents[name]}
    return {name: bytes(content), other: contents[other]}


@row
def test_whatever_is_altered_in_the_registry_s_files_is_refused_unread(
    figure: Callable[[str], None], replica: Replica, made: Path
) -> None:
    ref = replica.register(made, fingerprint(made))
    contents = {name: (Path(ref.path) / name).read_bytes() for name in (BOOSTER_FILE, CARD_FILE)}
    random_ = random.Random(26)
    for _ in range(MUTATED):
        for name, content in mutated(contents, random_).items():
            (Path(ref.path) / name).write_bytes(content)
        replica.refuses(ref, "is not the registered package")
    assert replica.parsed == []
    for name, content in contents.items():
        (Path(ref.path) / name).write_bytes(content)
    replica.scorer.set_models({"de": ref})
    assert replica.answers().version == ref.version
    figure(f"{MUTATED} of {MUTATED} refused at the swap, none parsed, and the champion gave the same answer after each")


def test_what_is_parsed_is_what_was_checked_whoever_writes_meanwhile(
    replica: Replica, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = replica.register(made, fingerprint(made))

    def altered_just_after(booster: bytes, card: bytes) -> str:
        found = sha256_of(booster, card)
        (Path(ref.path) / BOOSTER_FILE).write_bytes(b"not what was checked")
        return found

    monkeypatch.setattr(package_module, "sha256_of", altered_just_after)
    replica.scorer.set_models({"de": ref})
    assert replica.answers().version == ref.version


class Runs:
    """Unpickled, it runs a command."""

    def __init__(self, marker: Path) -> None:
        self._command = f"touch {marker}"

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self._command,)


@row
@pytest.mark.parametrize("name", [BOOSTER_FILE, CARD_FILE])
def test_a_pickle_is_refused_even_where_its_hash_is_registered(
    figure: Callable[[str], None], replica: Replica, made: Path, tmp_path: Path, name: str
) -> None:
    folder, marker = copy(made, tmp_path / "package"), tmp_path / "has-run"
    (folder / name).write_bytes(pickle.dumps(Runs(marker)))
    why = "is not a booster" if name == BOOSTER_FILE else "is not a package card"
    replica.refuses(replica.register(folder, fingerprint(folder)), why)
    assert not marker.exists()
    pickle.loads((folder / name).read_bytes())
    assert marker.exists(), "the test's own: it would have run"
    figure(f"a pickle as {name}, its own hash registered: refused, nothing run")


@row
def test_an_mlflow_model_that_names_code_to_load_it_is_no_package_and_beside_one_nobody_looks_at_it(
    figure: Callable[[str], None], replica: Replica, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, folder = tmp_path / "has-run", tmp_path / "mlflow-model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "hostile_loader.py").write_text(f"open({str(marker)!r}, 'w')\n_load_pyfunc = print\n")
    monkeypatch.syspath_prepend(folder / "code")
    flavor = "{loader_module: hostile_loader, code: code, data: model.pkl, python_version: 3.11.0}"
    (folder / "MLmodel").write_text(f"flavors:\n  python_function: {flavor}\nmodel_uuid: x\n")
    (folder / "model.pkl").write_bytes(pickle.dumps(Runs(marker)))
    replica.refuses(replica.register(folder, "0" * 64), f"not a model package: {BOOSTER_FILE} is absent")
    for name in (BOOSTER_FILE, CARD_FILE):
        (folder / name).write_bytes((made / name).read_bytes())
    beside = replica.register(folder, fingerprint(folder))
    replica.scorer.set_models({"de": beside})
    assert replica.answers().version == beside.version
    assert not marker.exists()
    __import__("hostile_loader")
    assert marker.exists(), "the test's own: it would have run"
    figure("a `loader_module` and a pickle: refused alone; beside a good package never looked at; nothing run")


def copy(made: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in (BOOSTER_FILE, CARD_FILE):
        (folder / name).write_bytes((made / name).read_bytes())
    return folder
