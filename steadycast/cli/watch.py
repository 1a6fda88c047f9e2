"""`steadycast watch`: watch any process for leaks, live."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from steadycast.cli.output import AsJson, failing, print_json, quiet
from steadycast.errors import ConfigError

if TYPE_CHECKING:
    from steadycast.watching.watch.run import Wanted, Watched

FOUND, NOTHING = 1, 2
LEAST_S = 0.1  # between looks

Words = Annotated[list[str] | None, typer.Argument(help="-- COMMAND ...: run it, and end it with the watch.")]
Pids = Annotated[list[int] | None, typer.Option("--pid", help="A process; again for more.")]
Name = Annotated[str | None, typer.Option(help="All of this name, of a program or a script.")]
Cgroup = Annotated[str | None, typer.Option(help="All in this control group; with --pid: that pid inside of it.")]
Unit = Annotated[str | None, typer.Option(help="A systemd unit.")]
For = Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long: 90s, 15m, 2h, 3d.")]
Every = Annotated[str, typer.Option(metavar="TIME", help="Between looks.")]
Settle = Annotated[str, typer.Option(metavar="TIME", help="How long what ended may take to give all back.")]
CycleLog = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Log lines at which a session is over; or wolf, sunshine, neolink, frigate."),
]
Log = Annotated[Path | None, typer.Option(help="Without it: the output of COMMAND, the journal of --unit.")]
Record = Annotated[Path | None, typer.Option(help="Keep all looks in this file for `analyze` (.gz as well).")]
Output = Annotated[Path | None, typer.Option(help="Keep what COMMAND prints in this file instead of showing it.")]


def watch(  # noqa: PLR0913 - one parameter an option
    command: Words = None,
    pid: Pids = None,
    name: Name = None,
    cgroup: Cgroup = None,
    unit: Unit = None,
    for_: For = None,
    every: Every = "1s",
    settle: Settle = "3s",
    cycle_log: CycleLog = None,
    log: Log = None,
    record: Record = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Watch processes and all that they start: say what leaks, how fast, and when it ends. Needs no running host.

    steadycast watch --name wolf --cycle-log wolf --log wolf.log --for 2h

    Exit code 0: nothing is confirmed; 1: something leaks; 2: nothing could be watched. It ends nothing but COMMAND.
    """
    from steadycast.watching.watch.aims import Aim, check_aim, seconds_of
    from steadycast.watching.watch.cycle_log import pattern_of
    from steadycast.watching.watch.run import Wanted

    quiet()
    with failing():
        if sys.platform != "linux":
            raise ConfigError("watch.system", "watch needs Linux: it reads /proc.")
        aim = check_aim(Aim(tuple(pid or ()), name, cgroup, unit, tuple(command or ())))
        seconds = None if for_ is None else seconds_of(for_, "--for")
        pace = max(LEAST_S, seconds_of(every, "--every")), seconds_of(settle, "--settle")
        cycles = None if cycle_log is None else pattern_of(cycle_log)
        if output is not None and not command:
            raise ConfigError("watch.output", "--output keeps what a COMMAND prints, and there is none.")
        found = _run(Wanted(aim, seconds, *pace, cycles, log, record, output), as_json=as_json)
    raise typer.Exit(NOTHING if found.failed else FOUND if found.confirmed else 0)


def _run(wanted: Wanted, *, as_json: bool) -> Watched:
    import asyncio

    from steadycast.watching.watch.display import Paper, display_for, mute
    from steadycast.watching.watch.run import watch as run
    from steadycast.watching.watch.summary import summary
    from steadycast.watching.watch.words import wrapped

    display = display_for(as_json=as_json)
    try:
        found: Watched = asyncio.run(run(wanted, display))
    finally:
        display.close()
    console = Paper(stderr=as_json, highlight=False)
    try:
        if as_json:
            print_json(found.plain())
        for text, style in summary(found):
            for line in wrapped(text, console.width):
                console.print(Text(line, style=style), soft_wrap=True)
        sys.stdout.flush()
    except BrokenPipeError:
        mute(sys.stdout)
    return found
