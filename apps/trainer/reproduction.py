"""Make a model version again, from the same data, and say whether the same model comes out. Nothing is registered, and
nothing that is live is touched.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from apps.trainer.code_tag import current_commit
from apps.trainer.origin import Origin
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.models.assignment import Assignment
from libs.models.fingerprint import BOOSTER_FILE
from libs.models.fleet import train_fleet
from libs.models.lifecycle import Lifecycle
from libs.models.market_training import Trained, Untrained


@dataclass(frozen=True)
class Reproduced:
    """A version made again: what it was made from, whether its booster is the same byte for byte, and what is not as it
    was then.
    """

    market: str
    version: str
    origin: Origin
    prepared: Prepared
    trained: Trained
    same_booster: bool
    differences: list[str]


def reproduce(
    environment: Environment, endpoints: Endpoints, market: str, number: str, notify: Callable[[str], None]
) -> Reproduced:
    """Preprocess and train as version `number` was; everything that is written is removed again.

    Raises:
        DataError: there is no such version, or its data cannot be read any more.
        TransientError: the cluster or MLflow is away.
    """
    version = Lifecycle.of(environment, endpoints).registry.version(market, number)
    origin, config = Origin.of(version), environment.market(market)
    now = Origin.now(origin.as_of, origin.lake, current_commit(environment.code), config)
    runs = environment.home / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"again-{market}-", dir=runs) as temporary, connected(endpoints):
        folder = Path(temporary)
        notify(f"preprocess: the lake as version {number} read it, up to {origin.as_of:%Y-%m-%d}")
        prepared = preprocess(environment.lake, {market: config}, origin.as_of, folder, {market: origin.lake})[market]
        if isinstance(prepared, Failed):
            raise DataError(prepared.reason)
        notify(f"train: {market}")
        assignment = Assignment(config, prepared.training_path, folder / "model", prepared.labelled)
        trained = train_fleet([assignment], environment.trainer)[market]
        if isinstance(trained, Untrained):
            raise DataError(trained.reason)
        boosters = [(Path(at) / BOOSTER_FILE).read_bytes() for at in (version.ref.path, trained.folder)]
        same = boosters[0] == boosters[1]
        return Reproduced(market, number, origin, prepared, trained, same, origin.differences(now))


def print_reproduced(console: Console, found: Reproduced) -> None:
    """What was read, and what came of it."""
    tables = ", ".join(f"{name} {version}" for name, version in found.origin.lake.tables.items())
    name = f"[bold]{found.market}[/bold] v{found.version}"
    console.print(f"{name} was made from {found.origin.lake.format}: {tables}", highlight=False)
    console.print(
        f"again: {found.prepared.lines_in:,} lines in, {found.prepared.labelled:,} labelled, "
        f"log loss {found.trained.metrics.log_loss:.4f}",
        highlight=False,
    )
    for difference in found.differences:
        console.print(f"[yellow]not as then[/yellow]: {difference}", highlight=False)
    if found.same_booster:
        console.print("[green]the same model[/green]: its booster is the same, byte for byte")
    else:
        console.print("[red]another model[/red]: the booster differs")
