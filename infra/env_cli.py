"""`fitwave env`: a whole environment for a git branch, made, listed and destroyed."""

import sys
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from libs.base.config_files import branch_folder, state_root
from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError
from libs.base.identifiers import feast_project, market_name

app = App(name="env", help="An environment for each git branch: create, list, destroy.")

BranchName = Annotated[str | None, Parameter(name="--branch", help="Default: the branch that is checked out.")]

_UNITS = ("B", "kB", "MB", "GB", "TB")


@app.command
def create(
    *,
    branch: BranchName = None,
    from_: Annotated[
        str, Parameter(name="--from", help="The committed environment whose config it starts from.")
    ] = "main",
) -> None:
    """Make the environment of a branch; there already: nothing changes. Nothing is started."""
    from infra.branches.destruction import sweep
    from infra.branches.git import has_branch
    from infra.branches.made import create as make

    sweep()
    name = branch if branch is not None else _current(from_)
    environment, is_new = make(name, from_)
    console = Console()
    table = Table(show_header=False, box=None)
    for what, value in _owned(environment).items():
        table.add_row(f"[bold]{what}[/bold]", escape(value))
    console.print(f"{'made' if is_new else 'there already'}: environment [bold]{environment.name}[/bold]")
    console.print(table)
    if not has_branch(environment.code.repository, name):
        console.print(f"There is no branch {name!r} in {environment.code.repository} so far.", markup=False)
    console.print(_NEXT.format(name=environment.name), markup=False, highlight=False)


_NEXT = """
next:
  export FITWAVE_ENVIRONMENT={name}
  fitwave up
  fitwave lake generate                 # or deliver tables to its lake
  fitwave trainer run --all
  fitwave env destroy --environment {name}"""


def _owned(environment: Environment) -> dict[str, str]:
    """What is this environment's and nobody else's, by what it is."""
    name, branch = environment.name, environment.branch
    assert branch is not None, "it was made for one"
    market = min(environment.markets)
    return {
        "branch": f"{branch.name}, config as in {branch.base}",
        "config": str(branch_folder(name)),
        "lake": environment.lake,
        "state": str(environment.home),
        "Redis keys": f"fitwave:{{{name}}}:*, fitwave:{name}:*",
        "Feast project": feast_project(name),
        "MLflow models": f"{market_name(name, market)}, ...",
        "Serve": f"fitwave-{name}, on a Ray cluster of its own",
        "code tags": f"model/{name}/<market>/v<number>",
        "ports": "free ones",
        "schedule": "on" if environment.scheduled else "off",
    }


def _current(base: str) -> str:
    from infra.branches.git import current_branch

    return current_branch(load_environment(base).code.repository)


@app.command(name="list")
def list_() -> None:
    """The environments of branches on this machine: what runs, how large each is, whether its branch is still there."""
    from infra.branches.made import listed

    # A name is for pasting: on a narrow screen others give way.
    table = Table(Column("environment", no_wrap=True), "branch", "from", "state", "size", "created")
    for one in listed():
        branch = one.branch
        table.add_row(
            one.name,
            escape(branch.name) + (" [yellow](gone)[/yellow]" if one.is_gone else "") if branch else "",
            branch.base if branch else "",
            f"[green]{one.state}[/green]" if one.state == "running" else escape(one.state),
            _show(one.size),
            f"{branch.created_at:%Y-%m-%d %H:%M}" if branch else "",
        )
    console = Console()
    if table.row_count:
        console.print(table)
    else:
        console.print(f"no branch has an environment under {state_root()}: `fitwave env create` makes one")


@app.command
def destroy(
    *,
    branch: BranchName = None,
    environment: Annotated[
        str | None, Parameter(name="--environment", help="The environment itself, in place of its branch.")
    ] = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False,
) -> None:
    """Stop and remove all of a branch's environment: keys, models, applications, tags, lake, files; nobody else's."""
    from infra.branches.destruction import Destruction, sweep
    from infra.branches.made import named

    sweep()
    if environment is not None and branch is not None:
        raise DataError("say --branch or --environment, not both")
    settings = named(environment if environment is not None else _of_branch(branch))
    if not yes:
        _ask(settings)
    Destruction(settings, print).run()
    print(f"environment {settings.name} is gone")


def _of_branch(branch: str | None) -> str:
    from infra.branches.made import name_of

    return name_of(branch if branch is not None else _current("main"))


def _ask(environment: Environment) -> None:
    if not sys.stdin.isatty():
        raise DataError(f"destroying environment {environment.name!r} removes all of its data: say --yes")
    of = f" of branch {environment.branch.name!r}" if environment.branch else ""
    print(f"This removes all data, models and config of environment {environment.name!r}{of}.")
    if input(f"Type {environment.name} to go on: ").strip() != environment.name:
        raise DataError("nothing is removed")


def _show(size: float) -> str:
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
