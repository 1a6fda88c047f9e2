"""What may be changed of a lobby that is there: what is named replaces what was, as a whole; the rest stays."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from steadycast.config.settings import LobbySettings, one_line
from steadycast.config.tables import Table
from steadycast.model import EncodePolicy, Rendition, Source


class LobbyChange(Table):
    """A change of a lobby; the key cannot change."""

    name: Annotated[str, AfterValidator(one_line)] | None = Field(None, min_length=1, max_length=80)
    source: Source | None = Field(None, discriminator="kind")
    renditions: tuple[Rendition, ...] | None = Field(None, max_length=64)
    encoders: EncodePolicy | None = None

    def of(self, request: LobbySettings) -> LobbySettings:
        """The request as it is then."""
        named = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        return request.model_copy(update=named)
