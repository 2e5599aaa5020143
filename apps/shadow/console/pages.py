"""The console's pages: HTML from templates that needs no script and no asset but its own style sheet."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from starlette.responses import HTMLResponse, Response

from apps.shadow.page import STATES, templates
from apps.shadow.rollout import name_of
from libs.models.serving_plan import CONSOLE_ROUTE

# Nothing is fetched but the style sheet. Plots carry styles in attributes; an icon in a data URI keeps browsers from
# asking for one.
_POLICY = (
    "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        own = files("apps.shadow.console")
        self._templates = templates(own)  # type: ignore[arg-type]  # a folder: packages are not zipped
        self._templates.globals |= {"root": CONSOLE_ROUTE, "states": STATES}
        self._templates.filters |= {"moment": moment, "percent": percent, "pretty": _pretty, "customers": name_of}
        shared = files("libs.models.report")
        self._style = "\n".join(
            place.joinpath(name).read_text(encoding="utf-8")
            for place, name in ((shared, "style.css"), (own, "console.css"))
        )

    def page(self, name: str, visitor: object = None, status: int = 200, **content: Any) -> Response:
        """One page; `visitor` is who looks at it."""
        text = self._templates.get_template(f"{name}.html").render(visitor=visitor, **content)
        return HTMLResponse(text, status, _HEADERS)

    def style(self) -> Response:
        """The style sheet of all pages."""
        return Response(self._style, headers={"X-Content-Type-Options": "nosniff"}, media_type="text/css")


def moment(at: datetime | str | None) -> str:
    """A moment, to the minute."""
    if not at:
        return "unknown"
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def percent(share: float | None) -> str:
    """A share; one that is nearly all is not called all."""
    if share is None:
        return "unknown"
    return "100 %" if share == 1 else f"{min(share, 0.9999):.2%}".replace("%", " %")


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
