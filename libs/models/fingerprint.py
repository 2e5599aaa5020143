"""What a model package is known by: its two files as they are, without a look into them, and their SHA-256."""

import hashlib
from pathlib import Path

from libs.base.errors import DataError
from libs.models.contract import ModelRef

BOOSTER_FILE, CARD_FILE = "booster.ubj", "package.json"


def read(folder: Path, name: str) -> bytes:
    """One of a package's files.

    Raises:
        DataError: it is not there.
    """
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{folder} is not a model package: {name} is absent") from None


def sha256_of(booster: bytes, card: bytes) -> str:
    """SHA-256 over both files, each with its length; what a replica checks before it parses anything."""
    return hashlib.sha256(b"".join(len(one).to_bytes(8, "big") + one for one in (booster, card))).hexdigest()


def fingerprint(folder: Path) -> str:
    """The same of a package's folder.

    Raises:
        DataError: a file is not there.
    """
    return sha256_of(read(folder, BOOSTER_FILE), read(folder, CARD_FILE))


def require_registered(folder: Path, found: str, registered: str) -> None:
    """Raises: DataError: a package is not the one that was registered."""
    if found != registered:
        raise DataError(f"{folder} is not the registered package: its SHA-256 is {found}, expected {registered}")


def require_whole(ref: ModelRef) -> None:
    """See that a version's package still is what was registered, before anybody is told to load it.

    Raises:
        DataError: it is not.
    """
    folder = Path(ref.path)
    require_registered(folder, fingerprint(folder), ref.sha256)
