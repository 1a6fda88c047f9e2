"""Ports that a process's sockets are bound to, by the inodes of its sockets in the tables of its network namespace."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from steadycast.tracking import proc

# As the kernel names the protocols of sockets, and the table in which each is found.
_TABLES = {b"TCP": "tcp", b"TCPv6": "tcp6", b"UDP": "udp", b"UDPv6": "udp6"}
_ASKED = 64  # sockets that are asked what they are; with more, all tables are read


def inodes(targets: Iterable[str]) -> frozenset[int]:
    """Inodes of the sockets among what descriptors lead to (`socket:[4711]`)."""
    return frozenset(
        int(target[8:-1]) for target in targets if target.startswith("socket:[") and target[8:-1].isdigit()
    )


def bound(pid: int, held: Mapping[int, str]) -> tuple[str, ...] | None:
    """Local ports of a process's descriptors, as `udp:40000`, sorted, each once; None where no table is readable.

    Unix sockets have none. Connections that a listening socket accepted have its port.
    """
    tables, wanted = _tables(pid, held), inodes(held.values())
    if not wanted or not tables:
        return ()
    found: set[tuple[str, int]] = set()
    readable = False
    for table in tables:
        try:
            text = (proc.PROC / str(pid) / "net" / table).read_text()
        except OSError:
            continue  # no IPv6 here, or the process is gone
        readable = True
        found |= {(table.rstrip("6"), port) for port in parse(text, wanted)}
    return tuple(f"{name}:{port}" for name, port in sorted(found)) if readable else None


def _tables(pid: int, held: Mapping[int, str]) -> tuple[str, ...]:
    """Tables that can have one of the sockets: the kernel walks millions of slots to make one of TCP."""
    sockets = [number for number, target in held.items() if target.startswith("socket:")]
    if len(sockets) > _ASKED:
        return tuple(_TABLES.values())
    found = set()
    for number in sockets:
        try:
            kind = os.getxattr(f"{proc.PROC}/{pid}/fd/{number}", "system.sockprotoname").rstrip(b"\0")
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                continue  # closed since
            return tuple(_TABLES.values())
        found.add(_TABLES.get(kind, ""))
    return tuple(sorted(found - {""}))


def parse(text: str, sockets: Collection[int]) -> frozenset[int]:
    """Local ports of these inodes in one table of /proc/<pid>/net (proc(5): field 2 is the address, 10 the inode).

    A port of 0 is not bound yet and is left out.
    """
    ports = set()
    for line in text.splitlines()[1:]:
        fields = line.split(None, 10)
        if len(fields) > 9 and fields[9].isdigit() and int(fields[9]) in sockets:
            port = int(fields[1].rpartition(":")[2], 16)
            if port:
                ports.add(port)
    return frozenset(ports)
