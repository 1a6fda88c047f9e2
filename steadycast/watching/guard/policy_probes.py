"""Tables of a policy that ask something: health probes, and counts of who watches."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from steadycast.config.tables import Table
from steadycast.watching.common.patterns import check_pattern as check_pattern
from steadycast.watching.guard.policy_words import Command, Name


def check_signal(name: str) -> str:
    """The name of a signal that asks a program to end."""
    allowed = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if name not in allowed or not hasattr(signal, name):
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return name


def check_url(url: str, schemes: tuple[str, ...]) -> str:
    """An address with a host."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or any(c.isspace() or ord(c) < 33 for c in url):
        raise ValueError(f"must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
    return url


class _HealthTable(Table):
    """What all health probes have: asked `every_s`, with a deadline; `failures` in a row are one too many."""

    name: Name
    every_s: Annotated[float, Field(ge=0.05, le=3600)] = 10.0
    deadline_s: Annotated[float, Field(ge=0.05, le=300)] = 5.0
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    act: Literal["restart", "tell"] = "restart"


class CommandHealth(_HealthTable):
    """Well: the command exits with 0. `unknown_codes`: exit codes that mean that it cannot tell."""

    kind: Literal["command"]
    command: Command
    unknown_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field((126, 127), max_length=32)


class HttpHealth(_HealthTable):
    """Well: an answer with a status in the range, whose body holds the pattern. `socket`: asked over a Unix socket."""

    kind: Literal["http"]
    url: Annotated[str, Field(max_length=2000)]
    socket: Path | None = None
    status: tuple[Annotated[int, Field(ge=100, le=599)], Annotated[int, Field(ge=100, le=599)]] = (200, 399)
    pattern: Annotated[str, Field(min_length=1, max_length=1000)] | None = None

    _pattern = field_validator("pattern")(lambda text: None if text is None else check_pattern(text))

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return check_url(url, ("http", "https"))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.status[0] > self.status[1]:
            raise ValueError("status: the first is above the second")
        return self


class RtspHealth(_HealthTable):
    """Well: the stream plays and its picture moves: `frames` pictures come, with new times and other content."""

    kind: Literal["rtsp"]
    url: Annotated[str, Field(max_length=2000)]
    frames: Annotated[int, Field(ge=2, le=250)] = 5

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return check_url(url, ("rtsp",))


HealthProbe = Annotated[CommandHealth | HttpHealth | RtspHealth, Field(discriminator="kind")]


class CountProbe(Table):
    """How many watch or how many sessions there are: asked of a command, an address, or the kernel.

    `pattern` is looked for in what comes back: the number in its group, or without a group how often it is found.
    `port`: established TCP connections to that port of the server. None of it: it is asked every `every_s`.
    """

    command: Command | None = None
    url: Annotated[str, Field(max_length=2000)] | None = None
    socket: Path | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    pattern: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    every_s: Annotated[float, Field(ge=0.05, le=3600)] = 10.0
    deadline_s: Annotated[float, Field(ge=0.05, le=300)] = 5.0

    _pattern = field_validator("pattern")(lambda text: None if text is None else check_pattern(text))

    @field_validator("url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        return None if url is None else check_url(url, ("http", "https"))

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("command", "url", "port") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} is set; allowed is exactly one of command, url, port")
        if (self.pattern is None) != (self.port is not None):
            raise ValueError("pattern is needed with command and url, and of no use with port")
        if self.socket is not None and self.url is None:
            raise ValueError("socket needs url")
        return self
