"""`python -m apps.shadow`."""

from apps.shadow.cli import app
from libs.base.console import run

run(app)
