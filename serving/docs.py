"""GET /docs: the OpenAPI document as a page, from files that are installed with the service."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
# Swagger UI sets styles of its own and holds its pictures in itself; it needs nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Worth: the API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Without a validator: the usual one is asked over the internet.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    """Show what the service answers."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start_docs() -> Response:
    """Begin to show it; in a file, because the page may hold no script itself."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
async def give_file(name: str) -> FileResponse:
    """Give one of the page's files.

    Parameters
    ----------
    name : str
        Of the file.

    Returns
    -------
    FileResponse
        The file.

    Raises
    ------
    HTTPException
        If the page has no such file.
    """
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_folder() / name, headers={"Cache-Control": "public, max-age=3600"})


@cache
def _folder() -> Path:
    return Path(str(files("fastapi_offline"))) / "static"
