"""What a host says to the person who started it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from steadycast import __version__
from steadycast.config.settings import Settings
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.serve.folders import Folders
from steadycast.vendors.look import Gpu

_ANY = ("0.0.0.0", "::")


def _found(adoption: AdoptionView) -> str:
    workers = sum(adoption.adopted.values())
    kept = f"{_many(workers, 'worker')} of the host before, {_many(adoption.viewers, 'viewer')} kept"
    return kept if not adoption.ended else f"{kept}, {_many(adoption.ended, 'worker')} ended"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def welcome(
    settings: Settings,
    folders: Folders,
    gpus: Sequence[Gpu],
    lobbies: Sequence[str],
    name: str,
    adoption: AdoptionView | None = None,
) -> str:
    """Addresses, what was found, how to stop. `lobbies` are keys or ids; the ports of `settings` are the real ones.

    `name` is this machine's, shown where the host listens on all of its addresses; `adoption` what a host before left.
    """
    reached = name if settings.host in _ANY else settings.host
    host = f"[{reached}]" if ":" in reached else reached
    page, rtsp = f"http://{host}:{settings.port}", f"rtsp://{host}:{settings.rtsp_port}"
    found = ", ".join(gpu.text() for gpu in gpus) or "none"
    if settings.vendors.simulated.enabled:
        found += f"; {settings.vendors.simulated.gpus} simulated"
    lines = [
        f"Steadycast {__version__}",
        f"  page     {page}/        API {page}/docs",
        *(f"  lobby    {page}/whep/{lobby}   {rtsp}/{lobby}" for lobby in lobbies[:8] or ["{lobby}"]),
        f"  GPU      {found}; what encodes: steadycast doctor",
        f"  state    {folders.state}",
        *([] if adoption is None else [f"  found    {_found(adoption)}"]),
        "  stop     Ctrl-C",
    ]
    return "\n".join(lines)
