"""What was seen, in a file, to be judged later: a line of JSON each. `.gz` is compressed.

The first line says what the file is. Of a look only those values are written that are others than in the look before.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal

from steadycast.errors import ConfigError
from steadycast.model import About, Bound, Look, Measured, Owner, Resource

FORMAT = "steadycast looks 1"
FLUSH_S = 5.0  # so much a kill may lose
MOST_LINE = 4 << 20  # characters


class Recording:
    """A file that looks are written to. Raises ConfigError where it cannot be made; OSError of `add` is the disk's."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.looks = 0
        self._flushed = time.monotonic()
        self._last: dict[tuple[str, str], tuple[dict[Measured, float], tuple[Bound, ...]]] = {}
        try:
            self._file = _open(path, "xt")
        except FileExistsError:
            raise ConfigError("record.exists", f"{path} is there already.", hint="Name another file.") from None
        except OSError as error:
            raise ConfigError("record.file", f"{path} cannot be written: {error.strerror}.") from None
        self._write({"format": FORMAT, **about})

    def add(self, look: Look, bounds: tuple[Bound, ...]) -> None:
        """One look."""
        owner = look.owner
        values, before = self._last.get((owner.role, owner.epoch), ({}, ()))
        new = [(m.resource, m.detail, v) for m, v in look.values.items() if values.get(m) != v]
        line: dict[str, Any] = {"role": owner.role, "epoch": owner.epoch, "at": look.at, "mono": look.monotonic}
        if not values:
            line |= {"pid": owner.pid, "about": {k: v for k, v in asdict(owner.about).items() if v is not None}}
        line |= {"values": new, "load": dict(look.load), "finished": dict(look.finished), "quiet": look.quiet}
        if look.unknown:
            line["unknown"] = dict(look.unknown)
        gone = [(m.resource, m.detail) for m in values if m not in look.values]
        if gone:
            line["gone"] = gone
        if bounds != before:
            line["bounds"] = [(b.name, b.measured.resource, b.measured.detail, b.limit, b.used) for b in bounds]
        self._write(line)
        self._last[owner.role, owner.epoch] = dict(look.values), bounds
        self.looks += 1

    def forget(self, role: str, epoch: str) -> None:
        """That life is over."""
        if self._last.pop((role, epoch), None) is not None:
            self._write({"ended": [role, epoch]})

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        if (now := time.monotonic()) - self._flushed >= FLUSH_S:
            self._flushed = now
            self._file.flush()


def is_recording(path: Path) -> bool:
    """Whether the file was written here. Raises ConfigError where it cannot be read."""
    try:
        with _open(path) as file:
            return FORMAT in file.readline(1000)
    except UnicodeDecodeError:
        return False
    except EOFError:
        raise ConfigError("record.file", f"{path} is cut off before its first line.") from None
    except FileNotFoundError:
        raise ConfigError("record.file", f"There is no file {path}.") from None
    except (OSError, zlib.error) as error:
        raise ConfigError(
            "record.file", f"{path} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from None


def judges_groups(path: Path) -> bool:
    """Whether control groups were meant by what was watched, as the first line says."""
    try:
        with _open(path) as file:
            return bool(json.loads(file.readline(MOST_LINE)).get("groups", True))
    except (AttributeError, EOFError, ValueError):
        return True


def read(path: Path) -> Iterator[tuple[Look, tuple[Bound, ...]]]:
    """All looks of a file, in order. What is cut off at its end is left out; other damage raises ConfigError."""
    lives: dict[tuple[str, str], tuple[Owner, dict[Measured, float], tuple[Bound, ...]]] = {}
    with _open(path) as file:
        lines = enumerate(_lines(path, file), 1)
        next(lines, None)
        for number, text in lines:
            try:
                line = json.loads(text)
                if "ended" in line:
                    lives.pop(tuple(line["ended"]), None)
                    continue
                yield _look(line, lives)
            except (ValueError, KeyError, TypeError) as error:
                if not text.endswith("\n"):
                    return
                raise ConfigError(
                    "record.broken", f"{path}, line {number} is not what was recorded: {error}."
                ) from None


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    """To the end, or to where a compressed file is cut off: who wrote it was killed."""
    try:
        while text := file.readline(MOST_LINE):
            yield text
    except EOFError:
        return
    except (OSError, UnicodeDecodeError, zlib.error) as error:
        raise ConfigError("record.broken", f"{path} is damaged: {error}.") from None


def _look(
    line: dict[str, Any], lives: dict[tuple[str, str], tuple[Owner, dict[Measured, float], tuple[Bound, ...]]]
) -> tuple[Look, tuple[Bound, ...]]:
    key = str(line["role"]), str(line["epoch"])
    if key not in lives:
        lives[key] = Owner(*key, line.get("pid"), About(**line.get("about", {}))), {}, ()
    owner, values, bounds = lives[key]
    for resource, detail in line.get("gone", ()):
        values.pop(Measured(Resource(resource), detail), None)
    values.update({Measured(Resource(r), d): float(v) for r, d, v in line["values"]})
    if "bounds" in line:
        bounds = tuple(Bound(n, Measured(Resource(r), d), limit, used) for n, r, d, limit, used in line["bounds"])
    lives[key] = owner, values, bounds
    unknown = {Resource(name): str(why) for name, why in line.get("unknown", {}).items()}
    told = (dict(values), unknown, dict(line["load"]), dict(line["finished"]), bool(line["quiet"]))
    return Look(owner, float(line["at"]), float(line["mono"]), *told), bounds


def _open(path: Path, mode: Literal["rt", "xt"] = "rt") -> IO[str]:
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)
