"""The environment's name of a git branch: derived once, the same on every machine, safe in every store."""

import hashlib
import re
import unicodedata
from collections.abc import Collection

# Kubernetes gives a CronJob's name 52 characters: `fitwave-`, the environment, a hyphen, and a market of up to 15.
LONGEST = 28
_DIGEST = 8
_OTHERS = re.compile(r"[^a-z0-9]+")
_LIKE_DERIVED = re.compile(rf"-[0-9a-f]{{{_DIGEST}}}$")


def environment_of(branch: str, reserved: Collection[str] = ()) -> str:
    """The name of a branch's environment: the branch's own, where that is a name as it is; else what is left of it and
    a digest of all of it. `reserved` are the names of other environments.

    Two branches have the same name only if the digests, of 32 bits, are the same: what is not changed never ends as if
    it had a digest, and what is changed always has one.
    """
    # An accented letter is the letter; what has no letter in ASCII goes, and the digest tells it apart.
    ascii_ = unicodedata.normalize("NFKD", branch.casefold()).encode("ascii", "ignore").decode()
    slug = _OTHERS.sub("-", ascii_).strip("-")
    if slug == branch and len(slug) <= LONGEST and slug not in reserved and not _LIKE_DERIVED.search(slug):
        return slug
    digest = hashlib.sha256(branch.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]
    kept = slug[: LONGEST - _DIGEST - 1].strip("-")
    return f"{kept or 'branch'}-{digest}"
