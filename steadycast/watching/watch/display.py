"""How a watch is shown while it goes on: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import IO, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from steadycast.model import FindingEvent
from steadycast.watching.common.growing import Lines
from steadycast.watching.watch.observing import Observing
from steadycast.watching.watch.screen import screen
from steadycast.watching.watch.words import event_line, levels_line, wrapped

MINUTE_S = 60.0
ROLES = 4  # whose levels are told each minute


class Display(Protocol):
    """Called from one thread."""

    def say(self, line: str, style: str = "") -> None: ...

    def output(self, data: bytes) -> None: ...

    def tick(self, observing: Observing, took_s: float) -> None: ...

    def close(self) -> None: ...


class Plain:
    """Lines with the time of day. `stream` is the watch's own; what a command prints goes to standard error."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._minutes = 0

    def say(self, line: str, style: str = "") -> None:
        try:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=self._stream, flush=True)
        except BrokenPipeError:
            mute(self._stream)

    def output(self, data: bytes) -> None:
        try:
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        except BrokenPipeError:
            mute(sys.stderr)

    def tick(self, observing: Observing, took_s: float) -> None:
        """One line a minute."""
        if int(took_s / MINUTE_S) > self._minutes:
            self._minutes = int(took_s / MINUTE_S)
            with observing.lock:
                shown = observing.shown()
            self.say(levels_line([one.look for one in shown], ROLES))

    def close(self) -> None:
        """Nothing is open."""


class Terminal:
    """A table that stays at the bottom; all else goes up above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = Lines()
        self._rounds = -1
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()

    def say(self, line: str, style: str = "") -> None:
        for part in wrapped(f"{time.strftime('%H:%M:%S')} {line}", self._console.width):
            self._console.print(Text(part, style=style), soft_wrap=True)

    def output(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._console.print(Text.from_ansi(line.rsplit("\r", 1)[-1]), soft_wrap=True)

    def tick(self, observing: Observing, took_s: float) -> None:
        """Drawn anew after each round."""
        if observing.rounds == self._rounds:
            return
        self._rounds = observing.rounds
        with observing.lock:
            shown, findings, notes = observing.shown(), observing.findings(), tuple(observing.missing.items())
        gone = [f"{role}: {why}" for role, why in notes]
        self._live.update(screen(shown, findings, gone, took_s, self._console.size), refresh=True)

    def close(self) -> None:
        """The table goes, the lines above it stay."""
        self._live.transient = True
        self._live.stop()


def mute(stream: IO[str]) -> None:
    """Nobody reads it any more: what is still written to it goes nowhere, and the watch goes on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Paper(Console):
    """A console that nobody may read any more: that is no reason for another exit code."""

    def on_broken_pipe(self) -> None:
        mute(self.file)


def show_events(display: Display, events: Sequence[FindingEvent], notes: Sequence[str]) -> None:
    """What is new."""
    for note in notes:
        display.say(note, "dim")
    for event in events:
        display.say(*event_line(event))


def display_for(*, as_json: bool) -> Display:
    """Standard output is for the object where one is wanted."""
    stream = sys.stderr if as_json else sys.stdout
    console = Paper(file=stream, highlight=False)
    return Terminal(console) if console.is_terminal and not console.is_dumb_terminal else Plain(stream)
