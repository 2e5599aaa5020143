"""What is printed of addresses that carry passwords."""

import re

# user:password@ of a URL, up to the last @ before its path; and the options that are passwords by themselves.
_USER = re.compile(r"(?<=://)[^/?#\s\"']*@")
_OPTION = re.compile(r"(?i)([?&][^=&\s\"']*(?:password|secret|token|key)=)[^&#\s\"']*")
MASK = "***"


def masked(text: str) -> str:
    """The text with every password in its URLs replaced: `redis://user:hunter2@host` is `redis://***@host`."""
    return _OPTION.sub(rf"\g<1>{MASK}", _USER.sub(f"{MASK}@", text))
