"""SDP as lines and attributes: the bounds on what is read, and what is said of text that is none. Pure."""

from __future__ import annotations

from itertools import groupby

from steadycast.errors import CallerError

LARGEST_SDP = 65_536
MOST_LINES = 4096
LONGEST_LINE = 4096


def malformed(why: str) -> CallerError:
    """The refusal for text that is no SDP, or not enough of one."""
    return CallerError(
        "sdp.malformed", "This is no usable SDP.", why=why, hint="Send what the browser made, unchanged."
    )


def read_lines(sdp: str | bytes, *, whole: bool = True) -> list[str]:
    """The lines of an SDP, or of a fragment of one (not `whole`), stripped, none empty. Raises CallerError."""
    if len(sdp) > LARGEST_SDP:
        raise CallerError(
            "sdp.too_large",
            "The offer is too large.",
            why=f"It is larger than {LARGEST_SDP} bytes.",
            hint="Offer fewer sections or candidates.",
            status=413,
        )
    text = _text(sdp)
    if not text.strip():
        raise CallerError("sdp.empty", "The offer is empty.", hint="Send the offer as the body (application/sdp).")
    if any(not char.isprintable() and char not in "\r\n\t" for char in text):
        raise _binary()
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    lines = [line for line in lines if line]
    if len(lines) > MOST_LINES or max(map(len, lines)) > LONGEST_LINE:
        raise malformed(f"It has more than {MOST_LINES} lines, or one longer than {LONGEST_LINE} characters.")
    if whole and not lines[0].startswith("v=0"):
        raise malformed("It does not begin with v=0.")
    for line in lines:
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
            raise malformed(f"A line is not <letter>=<value>: {line[:60]!r}.")
    return lines


def _text(sdp: str | bytes) -> str:
    if isinstance(sdp, str):
        return sdp
    try:
        return sdp.decode()
    except UnicodeDecodeError:
        raise _binary() from None


def _binary() -> CallerError:
    return CallerError(
        "sdp.binary",
        "The offer is not text.",
        why="It holds bytes that no SDP has.",
        hint="Send the offer as UTF-8 text (application/sdp).",
    )


def split_sections(lines: list[str]) -> list[list[str]]:
    """The session part, then each m-section with its m= line first."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


class Attributes:
    """The a= lines of a section by name, each with its values in order."""

    def __init__(self, lines: list[str]) -> None:
        pairs = [line[2:].partition(":") for line in lines if line.startswith("a=")]
        named = sorted(((name.strip(), value.strip()) for name, _, value in pairs), key=lambda pair: pair[0])
        self._values = {name: [value for _, value in group] for name, group in groupby(named, key=lambda pair: pair[0])}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> list[str]:
        """All values of an attribute, in order."""
        return self._values.get(name, [])

    def first(self, name: str) -> str | None:
        """The first value; "" for a flag; None where it is not there."""
        values = self._values.get(name)
        return values[0] if values else None
