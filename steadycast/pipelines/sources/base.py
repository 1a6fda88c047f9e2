"""What a kind of source is to the rest of the room."""

from __future__ import annotations

from typing import Any, Protocol

from steadycast.pipelines.failures import Phase, Subject
from steadycast.pipelines.stage import Stage


class SourceParts(Protocol):
    """One source on one stage, used once."""

    async def start(self, stage: Stage) -> None:
        """Build, hand over the streams, and set the pipeline to PLAYING. Raises SteadycastError."""

    def on_message(self, message: Any) -> bool:
        """A message of the pipeline's bus; True where the source has dealt with it."""

    def subject(self) -> Subject:
        """Who is spoken of where it fails."""

    def phase(self) -> Phase:
        """How far it came, for the words of a failure."""

    @property
    def can_end(self) -> bool:
        """Whether NULL can be reached; False where a thread is known to be stuck for good."""
