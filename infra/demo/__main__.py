"""`make demo`: the weekly loop, end to end, on this machine."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from infra.demo.stage import staged
from libs.base import console
from libs.base.environment import load_environment
from libs.base.errors import DataError

app = App(name="demo", help="The weekly loop, end to end, on this machine.")

Data = Annotated[Path | None, Parameter(help="The RentTheRunway file, gzipped or plain, instead of made-up data.")]


@app.default
def demo(*, data: Data = None) -> None:
    """Run the demo on made-up markets, or on the RentTheRunway file."""
    if data is not None and not data.is_file():
        raise DataError(f"DATA={data} is no file: give the path of renttherunway_final_data.json, gzipped or plain")
    began = time.monotonic()
    screen = Console(width=None if Console().is_terminal else 120)
    environment = load_environment("demo" if data is None else "demo-renttherunway")
    with screen.status("starting Redis and Ray"), staged(environment) as endpoints:
        # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
        from infra.demo import generated, renttherunway
        from infra.demo.story import Story

        story = Story(environment, endpoints, screen)
        if data is None:
            generated.tell(story)
        else:
            renttherunway.tell(story, data)
        path = story.write({"seconds": round(time.monotonic() - began, 1)})
    story.summary()
    screen.print(f"report: {path}   took {time.monotonic() - began:.0f} s; everything that was started is stopped")


console.run(app)
