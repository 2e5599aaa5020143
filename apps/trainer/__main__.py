"""`python -m apps.trainer`, as Ray jobs start it."""

from apps.trainer.cli import app
from libs.base.console import run

run(app)
