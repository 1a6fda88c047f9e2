"""The listening sockets, bound before anything else is started: a port in use is said at once and in one line."""

from __future__ import annotations

import contextlib
import errno
import socket

import psutil

from steadycast.errors import ConfigError

BACKLOG = 512


def listen(host: str, port: int, key: str) -> socket.socket:
    """A listening TCP socket; port 0 lets the kernel choose. `key` is the setting to change. Raises ConfigError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError("host.address", f"host: {host!r} is no address of this machine: {error}.") from None
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _refused(error, host, port, key) from None
    return listening


def port_of(listening: socket.socket) -> int:
    """The port it got."""
    return int(listening.getsockname()[1])


def _refused(error: OSError, host: str, port: int, key: str) -> ConfigError:
    option = "--" + key.replace("_", "-")
    if error.errno == errno.EADDRINUSE:
        what = f"{key}: {port} on {host} is in use{_by(port)}."
        return ConfigError("port.taken", what, hint=f"Stop that, or choose another port with {option}.")
    if error.errno == errno.EACCES:
        what = f"{key}: {port} needs more rights (allowed without: 1024 to 65535, or 0)."
        return ConfigError("port.refused", what, hint=f"Choose another port with {option}.")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError("host.address", f"host: {host!r} is no address of this machine.")
    return ConfigError("port.refused", f"{key}: {host}:{port} cannot be listened on: {error.strerror}.")


def _by(port: int) -> str:
    """Who listens there, where that can be seen."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr
            if connection.status == psutil.CONN_LISTEN and here and here.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
