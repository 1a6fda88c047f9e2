"""Static files over HTTP: the page at `/` and below `/static/`, and the rendering of the API description at `/docs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Protocol

from fastapi import APIRouter
from fastapi import Path as PathParameter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

DOCS = Path(__file__).parent / "static"
_DOCS_FILES = {"docs.js": "text/javascript; charset=utf-8", "docs.css": "text/css; charset=utf-8"}
FileName = Annotated[str, PathParameter(min_length=1, max_length=80)]


class StaticFile(Protocol):
    """A file that is served: where it lies, and its media type."""

    @property
    def path(self) -> Path: ...

    @property
    def media_type(self) -> str: ...


PageFiles = Callable[[], Mapping[str, StaticFile]]


def router(files: PageFiles) -> APIRouter:
    """`files` gives the files by name, `index.html` among them; no other name is ever looked for on disk."""
    api = APIRouter(include_in_schema=False)

    def serve(name: str) -> Response:
        found = files().get(name)
        if found is None:
            raise HTTPException(404)
        return FileResponse(found.path, media_type=found.media_type)

    @api.api_route("/", methods=["GET", "HEAD"])
    async def index() -> Response:
        return serve("index.html")

    @api.api_route("/static/{name}", methods=["GET", "HEAD"])
    async def static(name: FileName) -> Response:
        return serve(name)

    return api


def docs_router() -> APIRouter:
    """The API description for people. It asks for `/openapi.json` with the token that the page keeps."""
    api = APIRouter(include_in_schema=False)

    @api.api_route("/docs", methods=["GET", "HEAD"])
    async def docs() -> Response:
        return FileResponse(DOCS / "docs.html", media_type="text/html; charset=utf-8")

    @api.api_route("/docs/{name}", methods=["GET", "HEAD"])
    async def docs_file(name: FileName) -> Response:
        if name not in _DOCS_FILES:
            raise HTTPException(404)
        return FileResponse(DOCS / name, media_type=_DOCS_FILES[name])

    return api
