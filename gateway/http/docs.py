"""The OpenAPI document, and a page to read and try it (Swagger UI).

Everything is served from here, nothing from elsewhere: the page works without the Internet.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers
from gateway.http.resource import Resource
from services.model.errors import NotFound

_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""What the page needs of the package; it has more."""
_START = "start.js"
_KEPT = {"cache-control": "public, max-age=86400"}
_FRESH = {"cache-control": "no-cache"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The browser is told, too, that nothing comes from elsewhere. Swagger UI sets styles inline."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ArtStore API</title>
<link rel="stylesheet" href="{base}/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="{base}/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<script src="{base}/docs/swagger-ui-bundle.js"></script>
<script src="{base}/docs/start.js"></script>
</body>
</html>
"""
# validatorUrl null: no badge from a validator on the Internet.
_SCRIPT = """\
window.ui = SwaggerUIBundle({{
  url: "{base}/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null, tryItOutEnabled: true,
}});
"""


class Docs(Resource):
    """`/openapi.json` and `/docs`."""

    def __init__(self, document: dict[str, Any], *, base: str) -> None:
        """`base`: what addresses of the API begin with."""
        self._document = msgspec.json.encode(document)
        self._page = _PAGE.format(base=base).encode()
        self._script = _SCRIPT.format(base=base).encode()

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [get("/openapi.json")(self.openapi), get("/docs")(self.page), get("/docs/{name:str}")(self.asset)]

    async def openapi(self) -> Response[bytes]:
        """The document."""
        return Response(self._document, media_type=answers.JSON, headers=_FRESH)

    async def page(self) -> Response[bytes]:
        """The page."""
        headers = {**_FRESH, "content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
        return Response(self._page, media_type="text/html", headers=headers)

    async def asset(self, name: FromPath[str]) -> Response[bytes]:
        """What the page consists of."""
        if name == _START:
            return Response(self._script, media_type="text/javascript", headers=_FRESH)
        if name not in _ASSETS:
            raise NotFound("There is nothing at this address.")
        return Response(_packaged(name), media_type=_ASSETS[name], headers=_KEPT)


@cache
def _packaged(name: FromPath[str]) -> bytes:
    """A file of the installed Swagger UI, read once; the package itself, a framework, is not imported."""
    spec = find_spec("swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "static" / name).read_bytes()
