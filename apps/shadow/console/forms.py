"""What a form of the console sends: read within bounds, and checked against its session."""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from apps.shadow.console.sessions import Session
from libs.base.errors import FitwaveError

TYPE = "application/x-www-form-urlencoded"
_MOST_BYTES = 16_384
_MOST_FIELDS = 10
# The gateway's bound of an id.
LONGEST_ID = 128
LONGEST_REASON = 500


class Refused(FitwaveError):
    """What the console does not do; a page says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


async def read(request: Request) -> Mapping[str, str]:
    """The fields of a form, without spaces around them.

    Raises:
        Refused: 415 it is no form, 413 it is too long, 400 it is damaged.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != TYPE:
        raise Refused(415, "Not a form", f"Send the form of the page, as {TYPE}.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise Refused(413, "Too long", f"A form has {_MOST_BYTES} bytes at most.")
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except (ClientDisconnect, UnicodeDecodeError, ValueError) as error:
        raise Refused(400, "Damaged form", "The form cannot be read. Open the page again.") from error
    return {name: value.strip() for name, value in fields}


def check_token(fields: Mapping[str, str], session: Session) -> None:
    """See that the form was one of this session's own.

    Raises:
        Refused: 403 it was not.
    """
    if not hmac.compare_digest(fields.get("token", "").encode(), session.form_token.encode()):
        raise Refused(403, "Not a form of this session", "Open the page again, and send the form from there.")


def text(fields: Mapping[str, str], name: str, longest: int, *, optional: bool = False) -> str:
    """One field.

    Raises:
        Refused: 422 it is absent, too long, or has control characters.
    """
    value = fields.get(name, "")
    if not value and not optional:
        raise Refused(422, "Something is missing", f"Fill in the {name}.")
    if len(value) > longest or any(not one.isprintable() for one in value):
        raise Refused(422, "Something is not usable", f"The {name} may have {longest} printable characters at most.")
    return value
