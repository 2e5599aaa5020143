"""`python -m apps.serve`."""

from apps.serve.cli import app
from libs.base.console import run

run(app)
