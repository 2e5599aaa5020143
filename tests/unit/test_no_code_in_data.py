"""Nothing that is read from a store or a network is run: no module that loads objects with code in them is used."""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from libs.base.environment import REPOSITORY

MODULES = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "torch")
# Of MLflow, its flavours: each loads what it has logged by the code that it names. The registry needs its client alone.
MLFLOW = ("mlflow.entities", "mlflow.exceptions", "mlflow.tracking", "mlflow.store")
CALLS = re.compile(
    r"(?:yaml\.(?:load|load_all|unsafe_load|unsafe_load_all|full_load|full_load_all)|pyfunc\.\w+|mlflow\.\w+\.load_model"
    r"|eval|exec|compile|pd\.read_pickle|pl\.\w+\.deserialize)$"
)
NUMPY = re.compile(r"(?:np|numpy)\.load$")


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            for name in names:
                if name.partition(".")[0] in MODULES or (name.startswith("mlflow") and not name.startswith(MLFLOW)):
                    yield f"imports {name}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if CALLS.match(called):
                yield f"calls {called}"
            if NUMPY.match(called) and "allow_pickle=False" not in map(ast.unparse, node.keywords):
                yield f"calls {called} without allow_pickle=False"


@pytest.mark.row("26", "what loads objects with code in them, in all of libs, apps and infra", "none")
def test_nothing_that_can_run_code_reads_what_is_stored_or_sent(figure: Callable[[str], None]) -> None:
    paths = [path for top in ("libs", "apps", "infra") for path in (REPOSITORY / top).rglob("*.py")]
    found = [f"{path}: {one}" for path in paths for one in faults(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(paths) > 200
    figure(f"{len(found)} in {len(paths)} modules")
    assert found == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import pickle", "imports pickle"),
        ("from ray.cloudpickle import loads", ""),
        ("import joblib.numpy_pickle as n", "imports joblib.numpy_pickle"),
        ("import mlflow.pyfunc", "imports mlflow.pyfunc"),
        ("from mlflow.tracking import MlflowClient", ""),
        ("yaml.load(text)", "calls yaml.load"),
        ("yaml.safe_load(text)", ""),
        ("np.load(path)", "calls np.load without allow_pickle=False"),
        ("np.load(path, allow_pickle=False)", ""),
        ("eval(text)", "calls eval"),
    ],
)
def test_each_of_them_is_found(text: str, fault: str) -> None:
    assert list(faults(ast.parse(text))) == ([fault] if fault else [])
