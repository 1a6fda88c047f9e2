"""What a lobby may be. Pure: what files and names resolve to, and the addresses of this machine, are arguments."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import CallerError
from steadycast.frames import layout
from steadycast.lobbies.choose import AUDIO, COPY
from steadycast.lobbies.ids import LOBBY_ID
from steadycast.model import DesktopSource, FileSource, PushSource, Rendition, RtspSource, TestSource

RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
_RENDITION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where clouds tell a machine its credentials; the IPv4 one is link-local and covered by that.
_METADATA = {ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")}


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What of this machine a camera address must not reach: its addresses and the ports the host listens on."""

    addresses: frozenset[Address]
    ports: frozenset[int]


def check_request(request: LobbySettings, settings: HostSettings) -> None:
    """Raise CallerError where a lobby can never work as asked, as far as can be told without looking at anything."""
    if request.key is not None and LOBBY_ID.fullmatch(request.key):
        raise _error("key.reserved", "key", f"{request.key!r} looks like an id of the host", "any other key")
    source = request.source
    if isinstance(source, TestSource | DesktopSource | PushSource):
        _check_size("source", source.width, source.height)
    if isinstance(source, DesktopSource):
        _check_desktop(source, settings)
    if isinstance(source, PushSource):
        _check_push(source, settings.sources.push_bytes)
    if isinstance(source, RtspSource):
        camera_address(source)
    _check_renditions(request, settings.limits.renditions)


def command_of(source: DesktopSource, settings: HostSettings) -> tuple[str, ...]:
    """The command line of a desktop that passed the check."""
    if source.command is not None:
        return source.command
    return settings.sources.applications[source.application or ""]


def check_file(path: Path, resolved: Path, folders: Iterable[Path]) -> None:
    """Raise CallerError where a file (`resolved`: without symbolic links, like the folders) is outside all folders."""
    allowed = tuple(folders)
    if any(resolved.is_relative_to(folder) for folder in allowed):
        return
    where = ", ".join(str(folder) for folder in allowed) or "nothing: `sources.file_folders` is empty"
    raise _error("source.folder", "source.path", f"{str(path)!r} is outside the allowed folders", where, 403)


def camera_address(source: RtspSource) -> tuple[str, int]:
    """Host and port of a camera; raises CallerError where the address is not one that all readers read alike."""
    field = "source.url"
    if not source.url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", source.url):
        raise _error("source.url", field, "it has spaces, backslashes or control characters", "rtsp://host:port/path")
    scheme = source.url.split(":", 1)[0].lower()
    if scheme not in RTSP_PORTS:
        raise _error("source.scheme", field, f"scheme {scheme[:20]!r}", "rtsp and rtsps")
    try:
        parts = urlsplit(source.url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _error("source.url", field, f"it cannot be read ({error})", "rtsp://host:port/path") from None
    if not host or port == 0 or not _plain_authority(parts):
        raise _error(
            "source.url",
            field,
            "host, port, user or password cannot be read",
            "percent-encode `@`, `:`, `/`, `#` in them",
        )
    return host, port or RTSP_PORTS[scheme]


def check_camera(host: str, port: int, addresses: Iterable[Address], facts: HostFacts) -> None:
    """Raise CallerError where one of the addresses that `host` resolves to must not be reached."""
    # GStreamer takes all of these names as loopback (RFC 6761 section 6.3), whatever the resolver here says.
    is_local = f".{host.lower().rstrip('.')}".endswith(".localhost")
    for given in (*addresses, ipaddress.ip_address("127.0.0.1")) if is_local else addresses:
        address = _mapped(given)
        if address.is_link_local or address in _METADATA:
            why = f"{host} is {address}, where networks tell machines their secrets"
            raise _error("source.address", "source.url", why, "addresses of cameras", 403)
        if address.is_multicast or (address.is_reserved and not address.is_loopback):
            raise _error("source.address", "source.url", f"{host} is {address}", "addresses of cameras", 403)
        own = address.is_loopback or address.is_unspecified or address in facts.addresses
        if own and port in facts.ports:
            why = f"{host}:{port} is this host itself"
            raise _error(
                "source.address", "source.url", why, "addresses of cameras; show a lobby by its own address", 403
            )


def _mapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _plain_authority(parts: SplitResult) -> bool:
    # GStreamer splits at the first '@', Python at the last: with two of them they see different hosts.
    userinfo, at, _ = parts.netloc.rpartition("@")
    return "@" not in userinfo and userinfo.count(":") <= 1 and (not at or bool(userinfo))


def _check_desktop(source: DesktopSource, settings: HostSettings) -> None:
    if (source.application is None) == (source.command is None):
        raise _error("source.command", "source", "exactly one of application and command is needed", "one of the two")
    if source.application is not None and source.application not in settings.sources.applications:
        known = ", ".join(sorted(settings.sources.applications)) or "none: `sources.applications` is empty"
        raise _error("source.application", "source.application", f"no application {source.application!r}", known)
    if source.command is None:
        return
    if not settings.sources.any_command:
        what = "commands are not allowed here"
        raise _error(
            "source.command", "source.command", what, "an application of the config, or `sources.any_command`", 403
        )
    if not source.command or not source.command[0] or any("\0" in word or len(word) > 4096 for word in source.command):
        raise _error("source.command", "source.command", "it is empty, or a word is", "words of 1 to 4096 characters")


def _check_push(source: PushSource, most: int) -> None:
    size = layout(source.format, source.width, source.height).size * source.buffers
    if size > most:
        what = f"{source.buffers} buffers of {source.width}x{source.height} {source.format} are {size:,} bytes"
        allowed = f"up to {most:,} bytes (`sources.push_bytes`): fewer buffers, a smaller picture, or I420"
        raise _error("source.push_bytes", "source.buffers", what, allowed)


def _check_size(where: str, width: int | None, height: int | None) -> None:
    for name, value in (("width", width), ("height", height)):
        if value is not None and value % 2:
            raise _error("size.odd", f"{where}.{name}", f"{value} is odd", "even numbers: H.264 halves them for colour")


def _check_renditions(request: LobbySettings, limit: int) -> None:
    if len(request.renditions) > limit:
        raise _error("rendition.count", "renditions", f"{len(request.renditions)} renditions", f"up to {limit}")
    seen: set[str] = set()
    for index, rendition in enumerate(request.renditions):
        where = f"renditions[{index}]"
        if rendition.name in seen:
            raise _error("rendition.name", f"{where}.name", f"{rendition.name!r} is there twice", "different names")
        seen.add(rendition.name)
        _check_rendition(rendition, where, isinstance(request.source, RtspSource | FileSource))


def _check_rendition(rendition: Rendition, where: str, has_encoding: bool) -> None:
    if not _RENDITION_NAME.fullmatch(rendition.name):
        raise _error("rendition.name", f"{where}.name", f"{rendition.name!r}", "letters, digits, `.`, `_` and `-`")
    if rendition.name == AUDIO or (rendition.name == COPY and rendition.codec != "copy"):
        raise _error("rendition.name", f"{where}.name", f"{rendition.name!r} is a name of the host", "any other name")
    _check_size(where, rendition.width, rendition.height)
    if rendition.codec != "copy":
        return
    if not has_encoding:
        raise _error("rendition.copy", f"{where}.codec", "this source sends nothing that could be copied", "h264")
    asked = (rendition.width, rendition.height, rendition.fps, rendition.bitrate_kbps, rendition.keyframe_s)
    if any((*asked, rendition.references)):
        raise _error(
            "rendition.copy",
            where,
            "a copy is passed on as it is",
            "no size, rate, keyframes or references; or h264",
        )


def _error(code: str, field: str, what: str, allowed: str, status: int = 400) -> CallerError:
    return CallerError(code, f"{field}: {what}.", hint=f"Allowed: {allowed}.", status=status)
