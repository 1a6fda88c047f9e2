"""How many watch, or how many sessions there are. None: it could not be asked, or the answer says nothing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from steadycast.patience import patience
from steadycast.tracking import proc
from steadycast.watching.common.running import run
from steadycast.watching.guard.policy_probes import CountProbe
from steadycast.watching.guard.web import NoAnswerError, get

ESTABLISHED = "01"  # of /proc/net/tcp (include/net/tcp_states.h)
TABLE = 4 * 1_048_576  # bytes of /proc/net/tcp that are read


@dataclass(frozen=True, slots=True)
class Count:
    """`number` None: cannot tell; `text` says why, or where it comes from."""

    number: int | None
    text: str


async def count(probe: CountProbe, pid: int | None, environment: dict[str, str]) -> Count:
    """Ask once. `pid` says in whose network the port is."""
    if probe.port is not None:
        return await asyncio.to_thread(count_connections, probe.port, pid)
    if probe.command is not None:
        ran = await run(probe.command, probe.deadline_s, environment)
        return read_count(probe, ran.output) if ran.ok else Count(None, ran.words())
    assert probe.url is not None
    try:
        async with patience(probe.deadline_s):
            got = await get(probe.url, probe.socket)
    except TimeoutError:
        return Count(None, f"no answer within {probe.deadline_s:g} s")
    except (OSError, NoAnswerError) as error:
        return Count(None, str(error))
    return read_count(probe, got.body) if 200 <= got.status < 300 else Count(None, f"status {got.status}")


def read_count(probe: CountProbe, text: str) -> Count:
    """The number in the pattern's group (the last that is found), or how often the pattern is found."""
    assert probe.pattern is not None
    pattern = re.compile(probe.pattern)
    if pattern.groups == 0:
        return Count(sum(1 for _ in pattern.finditer(text)), "counted")
    found = [match[1] for match in pattern.finditer(text)]
    if not found or found[-1] is None or not found[-1].strip().isdigit():
        return Count(None, "the answer holds no number where the pattern looks")
    return Count(int(found[-1]), "told")


def count_connections(port: int, pid: int | None) -> Count:
    """Established TCP connections to a local port, by other addresses than the server's own end (proc_pid_net(5))."""
    found = 0
    folder = proc.PROC / ("self" if pid is None else str(pid)) / "net"
    for name in ("tcp", "tcp6"):
        try:
            with (folder / name).open() as file:
                rows = file.read(TABLE).splitlines()[1:]
        except FileNotFoundError:
            if name == "tcp":
                return Count(None, f"{folder / name} is not there")
            continue  # a kernel without IPv6
        except OSError as error:
            return Count(None, f"{folder / name}: {error.strerror or error}")
        words = (row.split() for row in rows)
        found += sum(
            len(one) > 3 and one[3] == ESTABLISHED and int(one[1].rpartition(":")[2], 16) == port for one in words
        )
    return Count(found, "counted")
