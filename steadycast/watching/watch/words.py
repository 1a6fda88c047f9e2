"""Numbers and findings in words and small pictures, for a terminal. Pure."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence

from steadycast.model import (
    Finding,
    FindingChange,
    FindingEvent,
    FindingState,
    Look,
    Measured,
    Rate,
    Resource,
    Unit,
    unit_of,
)
from steadycast.model.findings import NOT_DECIDED

_BARS = "▁▂▃▄▅▆▇█"
_SIZES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
MEMORY = (Resource.PRIVATE, Resource.USS, Resource.PSS, Resource.RSS, Resource.CGROUP)
_LIKELY = 0.1
_SHORT = {Resource.VRAM: "GPU memory"}
STYLES = {FindingState.CONFIRMED: "bold red", FindingState.SUSPECT: "yellow", FindingState.HEALED: "green"}
TREND_S = 3 * 3600.0  # that a growth with time needs at least
CYCLES = 10
_TIMES = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def amount(value: float, unit: Unit) -> str:
    """`12.3 MiB`, `1,024`, `45 %`."""
    if unit is Unit.RATIO:
        return f"{value:.0%}"
    if unit is Unit.COUNT:
        return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:,.2g}"
    for size, name in _SIZES:
        if abs(value) >= size:
            return f"{value / size:,.1f} {name}"
    return f"{value:,.0f} B"


def level(resource: Resource, value: float | None) -> str:
    """A value, or a dash where it is not known."""
    return "-" if value is None else amount(value, unit_of(resource))


def duration(seconds: float) -> str:
    """`3.2 days`, `45 s`."""
    for size, name in _TIMES:
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {name}" if seconds >= 10 * size else f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"


def rate(found: Rate, unit: Unit, per: str) -> str:
    """With its interval."""
    value, low, high = (amount(one, unit) for one in (found.value, found.low, found.high))
    return f"{value} {per} ({low} to {high})"


def bars(series: Iterable[float], width: int) -> str:
    """A picture of a line of text; the newest at the right, scaled from the lowest to the highest."""
    values = list(series)
    if not values:
        return ""
    each = max(1, -(-len(values) // width))
    groups = [values[begin : begin + each] for begin in range(0, len(values), each)]
    shown = [max(group) for group in groups][-width:]
    low, high = min(shown), max(shown)
    if high == low:
        return _BARS[0] * len(shown)
    return "".join(_BARS[round((one - low) / (high - low) * (len(_BARS) - 1))] for one in shown)


def event_line(event: FindingEvent) -> tuple[str, str]:
    """One change of a finding in a line, and its style."""
    finding = event.finding
    why = f" ({finding.why_closed})" if finding.why_closed is not None else ""
    if event.change is FindingChange.OPENED and finding.decide_by is not None:
        why = f" (decided by {clock(finding.decide_by)})"
    word = {FindingChange.OPENED: "suspect", FindingChange.WORSE: "worse"}.get(event.change, label(finding))
    return f"{word.upper()}: {finding.headline}{why}", STYLES.get(finding.state, "dim")


def label(finding: Finding) -> str:
    """Its state; of one that was closed, whether anybody could tell that it is none."""
    return NOT_DECIDED if finding.is_undecided else finding.state.value


def clock(at: float) -> str:
    """Unix seconds as the time of day here."""
    return time.strftime("%H:%M", time.localtime(at))


def memory(look: Look) -> float | None:
    """What tells a leak best of what could be read."""
    return next((look.values[Measured(one)] for one in MEMORY if Measured(one) in look.values), None)


def levels_line(looks: Sequence[Look], most: int) -> str:
    """The largest of them in a line."""
    told = []
    for look in sorted(looks, key=lambda one: -(memory(one) or 0.0))[:most]:
        parts = [f"memory {level(Resource.PRIVATE, memory(look))}"]
        for resource in (Resource.DESCRIPTORS, Resource.THREADS, Resource.VRAM):
            if (value := look.values.get(Measured(resource))) is not None:
                parts.append(f"{_SHORT.get(resource, resource.value)} {level(resource, value)}")
        told.append(f"{look.owner.role}: {', '.join(parts)}")
    more = f"; and {len(looks) - most} more" if len(looks) > most else ""
    return "; ".join(told) + more if told else "nobody is there now"


def wrapped(text: str, width: int) -> Iterator[str]:
    """A line in lines of a terminal; those that follow are further in."""
    inside = len(text) - len(text.lstrip()) + 2
    wide = max(width, 40)
    yield from textwrap.wrap(text, wide, subsequent_indent=" " * inside, break_on_hyphens=False) or [""]


def lines(finding: Finding, *, ended: bool = False) -> list[str]:
    """A finding as a person reads it: the headline, then how fast, until when, why probably, and what says so. `ended`:
    nobody watches any more."""
    told = [finding.headline]
    speeds = []
    if finding.per_cycle is not None:
        speeds.append(rate(finding.per_cycle, finding.unit, f"a {finding.cycle or 'cycle'}"))
    if finding.per_hour is not None:
        speeds.append(rate(finding.per_hour, finding.unit, "an hour"))
    if speeds:
        told.append("how fast: " + "; ".join(speeds))
    if (ends := finding.exhaustion) is not None:
        used = f"{amount(ends.used, finding.unit)} of {amount(ends.of, finding.unit)}"
        told.append(
            f"ends: {ends.limit} ({used}) in {duration(ends.seconds)}, at the earliest {duration(ends.earliest)}"
        )
    for one in [source for source in finding.sources[:3] if source.weight >= _LIKELY]:
        because = "; ".join(one.evidence[:1])
        told.append(f"likely ({one.weight:.0%}): {one.what}" + (f" - {because}" if because else ""))
    told += [f"seen: {one}" for one in finding.evidence[:4] if not one.startswith("probe: ")]
    if finding.probe is not None:
        told.append("; ".join((f"probe: {finding.probe.why}", *finding.probe.steps)))
    if finding.state is FindingState.SUSPECT:
        told.append(_suspect_line(finding, ended=ended))
    if finding.why_closed is not None:
        told.append(finding.why_closed if finding.is_undecided else f"{label(finding)}: {finding.why_closed}")
    return told


def _suspect_line(finding: Finding, *, ended: bool) -> str:
    """Until when it is decided, and why it is not yet."""
    line = "a suspect: it looks like a leak"
    if ended:
        return f"{line}, and was not decided before the end" + (f", as {finding.hindered}" if finding.hindered else "")
    if finding.decide_by is not None:
        line += f", and is decided by {clock(finding.decide_by)}"
    return line + (f"; not yet, as {finding.hindered}" if finding.hindered else "")


def nothing_found(seconds: float, ended: int, readings: int) -> tuple[str, str]:
    """And its style. `ended`: sessions; `readings`: quiet looks after some, as what ends while it is never quiet cannot
    be compared."""
    if seconds >= TREND_S or readings >= CYCLES:
        return "Nothing leaks, as far as can be told in that time.", "green"
    seen = f"it was quiet after {readings} of {number_of(ended, 'session')}" if ended else "no session came and went"
    wanted = f"{CYCLES} sessions that come and go, or {duration(TREND_S)}"
    return f"Nothing was found, but that was too short to tell ({seen}): it takes {wanted}.", "yellow"


def number_of(number: int, what: str) -> str:
    """`1 look`, `2 looks`."""
    return f"{number:,} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")
