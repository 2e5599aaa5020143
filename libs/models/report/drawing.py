"""One drawing as an inline SVG whose colours are the page's own: it serves light, dark and paper."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# matplotlib writes colours into the drawing. It draws with these, which nothing else uses, and each becomes a variable
# of the page's style sheet afterwards.
_VARIABLES = {
    "#010101": "--ink",
    "#020202": "--soft",
    "#030303": "--line",
    "#040404": "--champion",
    "#050505": "--small",
    "#060606": "--fit",
    "#070707": "--large",
    "#080808": "--accent",
    "#090909": "--paper",
    "#0a0a0a": "--low",
    "#0b0b0b": "--low-mid",
    "#0c0c0c": "--mid",
    "#0d0d0d": "--high-mid",
    "#0e0e0e": "--high",
    "#0f0f0f": "--unknown",
}
PLACEHOLDER = {variable.removeprefix("--"): colour for colour, variable in _VARIABLES.items()}
INK, SOFT, LINE = (PLACEHOLDER[name] for name in ("ink", "soft", "line"))

_STYLE: dict[Any, Any] = {
    # Text stays text: it can be read out, searched and takes the page's font.
    "svg.fonttype": "none",
    # Two drawings in one page must not share the ids of their clip paths: `svg` sets a salt for each.
    "svg.hashsalt": "",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "lines.linewidth": 2.0,
}


def svg(name: str, draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    """Draw without pyplot, which keeps every figure alive, and turn the file into an element of the page."""
    buffer = io.StringIO()
    with _styled(name):
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        # Laid out once, here: asked to lay out while it saves, matplotlib draws everything twice.
        ConstrainedLayoutEngine().execute(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(buffer.getvalue())


@contextmanager
def _styled(name: str) -> Iterator[None]:
    """matplotlib reads a few settings of SVG from its global table only; they are put back."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": f"fitwave-{name}"}), warnings.catch_warnings():
        # The browser has a glyph for what matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _inline(document: str) -> str:
    """The drawing as an element of a page: without what a file needs, and without ids that nothing refers to."""
    head, body = document[document.index("<svg") :].split(">", 1)
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", body, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"font-family: [^;\"]+;? ?", "", body).replace("xlink:href", "href")
    # A hundredth of a point is finer than any screen; what a label says stays as it is.
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), body)
    [box] = re.findall(r'viewBox="[^"]+"', head)
    return f'<svg {box} aria-hidden="true" focusable="false">{re.sub(chr(10) + " *", chr(10), body)}'.strip()
