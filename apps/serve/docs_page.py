"""The page at `/docs`: Swagger UI, wholly from this process; it asks nothing of any other host."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

from apps.serve.problems import Kind, Problem

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Fitwave API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/initializer.js"></script>
</body>
</html>
"""
# validatorUrl: by default Swagger UI sends the document to a validator on the internet.
_INITIALIZER = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_VENDORED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI styles its parts inline and draws its icons from data URIs.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class DocsPage:
    """The page and its assets, read once; only these names can be asked for."""

    def __init__(self) -> None:
        folder = _vendor_folder()
        self._assets = {name: (folder.joinpath(name).read_bytes(), kind) for name, kind in _VENDORED.items()}
        self._assets["initializer.js"] = (_INITIALIZER.encode(), "text/javascript")

    def page(self) -> Response:
        """The page itself."""
        return Response(_PAGE, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")

    def asset(self, name: str) -> Response:
        """One of the files that the page names.

        Raises:
            Problem: 404 for every other name.
        """
        if name not in self._assets:
            raise Problem(
                Kind.UNKNOWN_PATH, f"The page has no file {name!r}: it has {', '.join(sorted(self._assets))}."
            )
        content, media_type = self._assets[name]
        return Response(content, headers={"X-Content-Type-Options": "nosniff"}, media_type=media_type)


def _vendor_folder() -> Traversable:
    """The package's one release of Swagger UI; its version is part of the folder's name."""
    (folder,) = (files("swagger_ui_bundle") / "vendor").iterdir()
    return folder
