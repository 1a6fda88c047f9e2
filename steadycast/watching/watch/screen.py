"""What is seen while it is watched: processes with their levels and pictures, then findings. Only draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from steadycast.model import Finding, FindingState, Look, Measured, Resource
from steadycast.tracking.leaks.words import noun, whole
from steadycast.watching.watch.words import MEMORY, STYLES, bars, duration, level, lines, memory, wrapped

KEPT = 600  # looks of a process in its picture
ROWS = 24
WIDTH, LEAST = 40, 8  # characters of a picture
NAME = 16  # of a process
OTHERS = 46  # of all other columns
FINDINGS = 8
LINES = 5  # of a finding; all of them are told at the end
_COLUMNS = {Resource.DESCRIPTORS: "descriptors", Resource.THREADS: "threads", Resource.VRAM: "GPU memory"}


def _kept() -> deque[float]:
    return deque(maxlen=KEPT)


@dataclass
class Shown:
    """The newest look at an owner; its memory, and each column of the table, over time."""

    look: Look
    memory: deque[float] = field(default_factory=_kept)
    counts: dict[Resource, deque[float]] = field(default_factory=lambda: {one: _kept() for one in _COLUMNS})

    def take(self, look: Look) -> None:
        """A newer look."""
        self.look = look
        if (value := memory(look)) is not None:
            self.memory.append(value)
        for resource, course in self.counts.items():
            if (value := look.values.get(Measured(resource))) is not None:
                course.append(value)

    def course(self, resource: Resource) -> deque[float] | None:
        """How it went; None where that is not kept."""
        return self.memory if resource in MEMORY else self.counts.get(resource)


def screen(
    shown: Sequence[Shown], findings: Iterable[Finding], notes: Sequence[str], took_s: float, size: ConsoleDimensions
) -> RenderableType:
    """All of it, for a terminal of that size."""
    rows = max(3, min(ROWS, size.height // 2 - 2))
    parts: list[RenderableType] = [_table(shown, rows, size.width)]
    if len(shown) > rows:
        parts.append(Text(f"and {len(shown) - rows} more processes", style="dim"))
    told = sorted(findings, key=lambda one: (one.state is not FindingState.CONFIRMED, -one.updated))
    of_role = {one.look.owner.role: one for one in shown}
    for one in told[:FINDINGS]:
        parts += _finding(one, of_role.get(one.owner.role), size.width)
    if len(told) > FINDINGS:
        parts.append(Text(f"and {len(told) - FINDINGS} more findings", style="dim"))
    parts += [Text(note, style="dim") for note in notes[:4]]
    state = f"watched for {duration(took_s)}; " + (_count(told))
    parts.append(Text(f"{state}. Ctrl-C ends.", style="dim"))
    return Group(*parts)


def _table(shown: Sequence[Shown], rows: int, width: int) -> Table:
    shown = [one for one in shown if one.look.owner.pid is not None or memory(one.look) is not None]
    columns = [one for one in _COLUMNS if any(Measured(one) in other.look.values for other in shown)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("process", max_width=max(NAME, width // 4), no_wrap=True)
    table.add_column("pid")
    for name in ("memory", *(_COLUMNS[one] for one in columns)):
        table.add_column(name, justify="right", no_wrap=True)
    picture = min(WIDTH, width - max(NAME, width // 4) - OTHERS)
    if picture >= LEAST:
        table.add_column("memory over time", no_wrap=True)
    most = sorted(shown, key=lambda one: -(memory(one.look) or 0.0))[:rows]
    for one in sorted(most, key=lambda one: one.look.owner.role):
        look = one.look
        levels = [level(Resource.PRIVATE, memory(look))]
        levels += [level(resource, look.values.get(Measured(resource))) for resource in columns]
        drawn = [bars(one.memory, picture)] if picture >= LEAST else []
        table.add_row(escape(name_of(look.owner.role)), str(look.owner.pid or "-"), *levels, *drawn)
    return table


def name_of(role: str) -> str:
    """A control group by the end of its path, a child below its server."""
    if role.startswith("cgroup:"):
        return f"all of {role.rsplit('/', 1)[-1][:12]}"
    return f"└ {role.split('/', 1)[1]}" if "/" in role else role


def _finding(finding: Finding, shown: Shown | None, width: int) -> list[RenderableType]:
    first, *rest = lines(finding)
    style = STYLES.get(finding.state, "dim")
    told = [Text(line, style=style) for line in wrapped(f"● {first}", width)]
    course = None if shown is None else shown.course(finding.measured.resource)
    if course:
        name = noun(Measured(finding.measured.resource))
        ends = [whole(one, finding.unit) for one in (course[0], course[-1])]
        told.append(Text(f"  {name}: {ends[0]} {bars(course, min(WIDTH, width - 40))} {ends[1]}", style=style))
    return [*told, *(Text(part, style="dim") for line in rest[:LINES] for part in wrapped(f"  {line}", width))]


def _count(told: Sequence[Finding]) -> str:
    sure = sum(one.state is FindingState.CONFIRMED for one in told)
    suspects = sum(one.state is FindingState.SUSPECT for one in told)
    if not sure and not suspects:
        return "nothing leaks so far"
    return f"{sure} confirmed, {suspects} suspected"
