"""The files of the page, for whoever serves them: `index.html` at `/`, every file (the index too) at `/static/{name}`.

The folder is flat and its files are read when asked for, so a changed file shows at the next reload of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"

# Spelled out, because the system's table of media types differs between machines and a module script with a wrong type
# is refused by browsers.
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page: its name below `/static/`, where it lies, and its media type."""

    name: str
    path: Path
    media_type: str


def page_files() -> dict[str, PageFile]:
    """All files of the page by name. What is not in here is not served, so no path leads out of the folder."""
    return {
        path.name: PageFile(path.name, path, _MEDIA_TYPES[path.suffix])
        for path in sorted(FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
    }
