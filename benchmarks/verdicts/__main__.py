"""How often the verdict on a shadow window is right, on made-up windows whose truth is known, beside two usual judges.

`python -m benchmarks.verdicts --out OUT.json --page docs/verdicts.md`
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.marks import report
from libs.base import console
from libs.base.errors import DataError

app = App(name="verdicts", help="False promotions, power and hours of verdicts on made-up windows with known truth.")

_CHUNK = 10


@app.default
def verdicts(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    windows: Annotated[int, Parameter(help="How many windows of each kind.")] = 1_000,
    seed: Annotated[int, Parameter(help="Of the first window; each has its own.")] = 0,
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
) -> None:
    """Judge made-up windows of each kind with the product's own code."""
    from benchmarks.verdicts.figures import BARS, figures, table
    from benchmarks.verdicts.judges import judged
    from benchmarks.verdicts.streams import SCENARIOS

    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if windows < 1:
        raise DataError(f"--windows {windows}: at least one")
    begun = time.monotonic()
    # One thread a process: the processes share the cores.
    os.environ["POLARS_MAX_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    # The module that runs has another name in them: what they run is imported.
    tasks = [(name, seed + 1_000_003 * kind + n) for kind, name in enumerate(SCENARIOS) for n in range(windows)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        ends = list(pool.map(judged, tasks, chunksize=_CHUNK))
    found = {
        judge: figures(
            {name: [end[judge] for task, end in zip(tasks, ends, strict=True) if task[0] == name] for name in SCENARIOS}
        )
        for judge in ends[0]
    }
    document = {
        **found["fitwave"],
        **found,
        "bars": {
            bar.figure: {"bound": bar.bound, "reached": bar.reached(found["fitwave"][bar.figure])} for bar in BARS
        },
        "windows": windows,
        "seed": seed,
        "seconds": round(time.monotonic() - begun, 1),
        "machine": {"cores": os.cpu_count()},
    }
    report(document, table(found, windows), "benchmarks.verdicts", out, page)


if __name__ == "__main__":
    console.run(app)
