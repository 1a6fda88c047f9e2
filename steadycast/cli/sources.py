"""What a person types for a source or a rendition, as the API wants it. Pure."""

from __future__ import annotations

import re
import shlex
from typing import Any

from steadycast.errors import ConfigError

_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})(?:@(\d{1,4}))?")
_RENDITION = re.compile(r"([^=\s]{1,40})=(?:(\d{1,6})x(\d{1,6}))?(?:@(\d{1,4}))?(?:,(\d{1,7})k)?")


def source_of(text: str, size: str | None) -> dict[str, Any]:
    """The source that `text` names; `size` is WxH or WxH@FPS. Raises ConfigError.

    `test`, `push` (or `push:FORMAT`), `app:NAME`, `run:COMMAND LINE` (words as a shell would split them; no shell runs
    it), an rtsp:// address, or the path of a file.
    """
    dimensions = _dimensions(size) if size is not None else {}
    if text == "test":
        return {"kind": "test", **dimensions}
    if text == "push" or text.startswith("push:"):
        format = text.removeprefix("push").removeprefix(":")
        return {"kind": "push", **({"format": format} if format else {}), **dimensions}
    if text.startswith("app:"):
        return {"kind": "desktop", "application": text.removeprefix("app:"), **dimensions}
    if text.startswith("run:"):
        return {"kind": "desktop", "command": _words(text.removeprefix("run:")), **dimensions}
    if dimensions:
        raise ConfigError(
            "size.unused", "--size is for test, push, app: and run: sources.", why="Others bring their own size."
        )
    if re.match(r"rtsps?://", text):
        return {"kind": "rtsp", "url": text}
    if "://" in text:
        raise ConfigError("source.scheme", "Only rtsp:// addresses can be shown.")
    return {"kind": "file", "path": text}


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError("source.command", f"This is no command line: {error}.") from None
    if not words:
        raise ConfigError("source.command", "The command line is empty.", hint="Like run:'xclock -update 1'.")
    return words


def rendition_of(text: str) -> dict[str, Any]:
    """`NAME=copy`, or `NAME=WxH@FPS,RATEk` of which each part may be left out. Raises ConfigError."""
    name, _, rest = text.partition("=")
    if rest == "copy":
        return {"name": name, "codec": "copy"}
    match = _RENDITION.fullmatch(text)
    if match is None:
        raise ConfigError("rendition.unclear", f"{text!r} is no rendition.", hint="Like small=640x360@15,800k.")
    keys = ("width", "height", "fps", "bitrate_kbps")
    numbers = {key: int(value) for key, value in zip(keys, match.groups()[1:], strict=True) if value is not None}
    return {"name": match[1], **numbers}


def _dimensions(size: str) -> dict[str, int]:
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ConfigError("size.unclear", f"{size!r} is no size.", hint="Like 1280x720 or 1280x720@30.")
    keys = ("width", "height", "fps")
    return {key: int(value) for key, value in zip(keys, match.groups(), strict=True) if value is not None}
