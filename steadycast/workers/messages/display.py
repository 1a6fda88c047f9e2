"""Messages between the control plane and a display worker."""

from __future__ import annotations

from dataclasses import dataclass

# --- control plane -> display worker ---


@dataclass(frozen=True, slots=True)
class ShowDisplay:
    """Start an X display of this size and run the command on it. Answered with `{"display": ":7", "xauthority": path}`.

    The display is up when the answer comes; the command was started. Its end is told by `CommandExited`.
    """

    lobby: str
    command: tuple[str, ...]
    width: int
    height: int


# --- display worker -> control plane ---


@dataclass(frozen=True, slots=True)
class CommandExited:
    """The command on the display ended. `exit_code` is None where a signal ended it; `output` is its last lines."""

    exit_code: int | None
    signal: int | None
    output: str = ""


@dataclass(frozen=True, slots=True)
class DisplayFailed:
    """The X server ended."""

    what: str
    output: str = ""
