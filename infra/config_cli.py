"""`fitwave config`: what the config says, what it comes to, and what is wrong with it."""

from typing import Annotated

from cyclopts import App, Parameter

from libs.base.environment import load_environment, read_sources

app = App(name="config", help="The config: show it, check it.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def show(
    *,
    market: Annotated[
        str | None, Parameter(help="This market alone; by default the environment with all markets.")
    ] = None,
    effective: Annotated[bool, Parameter(negative="", help="Every value, with where it comes from.")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Print the config as YAML that can be read back; passwords in URLs are left out."""
    from infra.config.effective import as_written
    from infra.config.effective import effective as effective_yaml

    sources, settings = read_sources(environment), load_environment(environment)
    name = None if market is None else settings.market(market).name
    print(effective_yaml(settings, sources, name) if effective else as_written(sources, name), end="")


@app.command
def check(*, environment: EnvironmentName = None) -> None:
    """Read every file and say what is wrong, each fault with its line; exit code 1 if anything is."""
    settings = load_environment(environment)
    print(f"environment {settings.name}: no fault in its file and those of {', '.join(settings.markets)}")
