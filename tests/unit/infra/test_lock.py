"""What the overrides keep out of the lock is not installed."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from libs.base.environment import REPOSITORY

OVERRIDES = (REPOSITORY / "requirements-overrides.in").read_text(encoding="utf-8").splitlines()
LEFT_OUT = [line.split(";")[0].strip() for line in OVERRIDES if line and not line.startswith("#")]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_of_the_lock_is_not_installed(name: str) -> None:
    with pytest.raises(PackageNotFoundError):
        version(name)
