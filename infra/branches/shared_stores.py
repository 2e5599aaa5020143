"""Which stores that others use too a branch's environment has been in, so that it can be removed from all of them.

A URL may have come from a shell that is closed by then; and two checkouts of one branch have one name, so the first to
come claims it.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.branches.key_space import KeySpace
from libs.base.config_files import branch_folder
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.redis_url import RedisUrl


@dataclass(frozen=True)
class SharedStores:
    """The URLs of both kinds, as they were configured."""

    redis: tuple[str, ...] = ()
    mlflow: tuple[str, ...] = ()


def enter(environment: Environment) -> None:
    """Note the stores that a branch's environment is about to use, and claim its name there.

    Raises:
        DataError: another checkout of the branch uses the name in that Redis.
        TransientError: Redis is away.
    """
    if environment.branch is None:
        return
    known, note = known_stores(environment), _file(environment)
    is_new = not note.exists()
    _write(note, SharedStores(_with(known.redis, environment.redis_url), _with(known.mlflow, environment.mlflow_uri)))
    if not environment.redis_url or _claim(environment.redis_url, environment.name, environment.branch.id):
        return
    if is_new:
        note.unlink()
    else:
        _write(note, known)
    raise DataError(
        f"{RedisUrl.parse(environment.redis_url)} has keys of environment {environment.name!r} that another checkout "
        f"of the same branch has made: destroy it there, or use another Redis here (redis_url)"
    )


def _claim(redis_url: str, name: str, id_: str) -> bool:
    with KeySpace(redis_url, name) as keys:
        return keys.claim(id_)


def has_entered(environment: Environment) -> bool:
    """Whether it has ever come up, and so may be in any store."""
    return _file(environment).exists()


def are_of_another(environment: Environment, stores: SharedStores) -> bool:
    """Whether the name is another checkout's in any of these: so much was noted, and then the claim refused."""
    assert environment.branch is not None, "only a branch's environment notes where it is"
    for url in stores.redis:
        with KeySpace(url, environment.name) as keys:
            if keys.is_of_another(than=environment.branch.id):
                return True
    return False


def known_stores(environment: Environment) -> SharedStores:
    """The stores that it uses or has used.

    Raises:
        DataError: the note is damaged.
    """
    try:
        told = json.loads(_file(environment).read_text(encoding="utf-8"))
        return SharedStores(tuple(told["redis"]), tuple(told["mlflow"]))
    except FileNotFoundError:
        return SharedStores()
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{_file(environment)} is damaged ({error}): write it as {asdict(SharedStores())}") from error


def forget(environment: Environment, url: str) -> None:
    """Nothing of it is in this store any more."""
    known = known_stores(environment)
    _write(_file(environment), SharedStores(_without(known.redis, url), _without(known.mlflow, url)))


def _write(path: Path, stores: SharedStores) -> None:
    draft = path.with_suffix(".draft")
    # Passwords are in it.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(stores), file)
    draft.replace(path)


def _file(environment: Environment) -> Path:
    return branch_folder(environment.name) / "stores.json"


def _with(urls: Iterable[str], url: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*urls, *([url] if url else [])]))


def _without(urls: Iterable[str], url: str) -> tuple[str, ...]:
    return tuple(one for one in urls if one != url)
