"""Parameters that several nouns share, with their bounds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

LobbyPath = Annotated[str, Path(min_length=1, max_length=80, description="Id or key of the lobby.")]
ViewerPath = Annotated[str, Path(min_length=1, max_length=80, description="Id of the viewer.")]
LobbyQuery = Annotated[str | None, Query(min_length=1, max_length=80, description="Only of this lobby.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items in one answer.")]
After = Annotated[
    str | None, Query(min_length=1, max_length=128, description="`next` of the answer before: the items after it.")
]
