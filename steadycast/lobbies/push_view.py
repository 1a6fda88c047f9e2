"""What a lobby worker tells of its producers, as it is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steadycast.lobbies.views import PushView
from steadycast.model import PushSource, Source
from steadycast.workers.codec import CodecError, from_plain

QUIET_S = 2.0  # without a picture: then it is not said to push


def push_view(source: Source, told: Mapping[str, Any] | None) -> PushView | None:
    """None where the source is of another kind, or nothing that makes sense was told yet."""
    if not isinstance(source, PushSource) or told is None:
        return None
    try:
        shown = {name: value for name, value in told.items() if name != "pool"}
        return from_plain(PushView, {**shown, "says": _says(source, told)})
    except CodecError:
        return None


def _says(source: PushSource, told: Mapping[str, Any]) -> str:
    producer = told.get("producer")
    if producer is not None:
        quiet = told.get("quiet_s")
        if isinstance(quiet, int | float) and quiet >= QUIET_S:
            return f"process {producer} is connected, and sent nothing for {quiet:.0f} s; its last picture is shown"
        return f"process {producer} pushes"
    if told.get("since") is None:
        return "no producer came yet; the picture is black"
    return f"no producer; {'its last picture is held' if source.idle == 'hold' else 'the picture is black'}"


def heir_of(before: Source, told: Mapping[str, Any] | None, after: Source) -> str | None:
    """Where a worker that takes over finds the one before, if programs push pictures of one kind into both."""
    if not isinstance(before, PushSource) or not isinstance(after, PushSource) or told is None:
        return None
    alike = (before.width, before.height, before.format) == (after.width, after.height, after.format)
    address = told.get("address")
    return address if alike and isinstance(address, str) else None
