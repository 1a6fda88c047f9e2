"""When a changed setting takes effect in a host that runs, for every setting. Pure.

A setting whose change waits for the next start keeps its old value until then, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from steadycast.config.settings import Settings

LOBBIES = "lobbies"  # the one key with a plan of its own


class When(StrEnum):
    """When a change is seen."""

    NOW = "now"
    NEW = "new"  # for what is started from now on; what runs goes on as it is
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Effect:
    """When a setting's change is seen, and the same in words for a person."""

    when: When
    words: str


NOW = Effect(When.NOW, "at once")
NEXT_LOOK = Effect(When.NOW, "from the next look on")
NEXT_LOSS = Effect(When.NOW, "from the next loss on")
NEXT_DRAIN = Effect(When.NOW, "from the next drain on")
REQUESTS = Effect(When.NOW, "for every request and every start of a source from now on")
ENCODINGS = Effect(When.NEW, "for encoders asked for from now on")
LOBBY_WORKERS = Effect(When.NEW, "for lobby workers started from now on")
EGRESS_WORKERS = Effect(When.NEW, "for egress workers started from now on")
DESKTOPS = Effect(When.NEW, "for desktops started from now on")
RESTART = Effect(When.RESTART, "at the next start; SIGQUIT and start keeps all workers and viewers")

# A name that ends with a dot stands for all below it.
_KEYS: dict[Effect, str] = {
    NOW: """
        log_level limits.lobbies limits.viewers limits.renditions limits.offers_per_s renditions.linger_s
        encoders.weights encoders.descriptors_reserve workers.source_s
        """,
    NEXT_LOOK: "adaptation. encoders.look_s encoders.vram_reserve recycle. findings.",
    NEXT_LOSS: "workers.restarts workers.restart_window_s sources.rtsp_backoff_s",
    NEXT_DRAIN: "egress.drain_s",
    REQUESTS: "sources.any_command sources.file_folders sources.push_bytes",
    ENCODINGS: "encoders.hardware encoders.when_full",
    LOBBY_WORKERS: """
        egress.mtu encoders.open_s encoders.reference_budget_mb renditions.bits_per_pixel renditions.keyframe_s
        sources.rtsp_timeout_s
        """,
    EGRESS_WORKERS: """
        egress.gop_bytes egress.history_bytes egress.viewer_budget_bytes egress.viewer_silence_s
        egress.viewer_stalled_s limits.rtsp_connections webrtc.handshake_s webrtc.public_address
        """,
    DESKTOPS: "sources.applications",
    RESTART: """
        renditions.parked host port rtsp_port state log_format auth. http. vendors. webrtc.ice_servers webrtc.udp_ports
        egress.spares egress.workers encoders.queue_s encoders.queue_length encoders.sessions encoders.cpu_share
        encoders.cpu_pixels_per_s encoders.promote_after_s encoders.breaker_failures encoders.breaker_window_s
        encoders.breaker_rest_s encoders.breaker_trips encoders.fragments limits.sdp_bytes workers.adopt_s
        workers.end_s workers.evidence workers.heartbeat_s workers.kill_s workers.orphan_timeout_s workers.request_s
        workers.silence_s tracking. findings.margin_s workers.spare_age_s workers.spares
        workers.stall_s workers.start_s workers.term_s
        """,
}
EFFECTS: dict[str, Effect] = {key: effect for effect, keys in _KEYS.items() for key in keys.split()}


def effect_of(key: str) -> Effect:
    """The effect of a setting, named as in the file (`limits.viewers`). Raises KeyError for one that has none."""
    parts = key.split(".")
    for depth in range(len(parts), 0, -1):
        name = ".".join(parts[:depth]) + ("" if depth == len(parts) else ".")
        if name in EFFECTS:
            return EFFECTS[name]
    raise KeyError(key)


def keys(table: type[BaseModel] = Settings, above: str = "") -> Iterator[str]:
    """Every setting but `lobbies`, in the order of the file. Lists and tables of the operator's names are one each."""
    for name, field in table.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{above}{name}.")
        elif above or name != LOBBIES:
            yield above + name


def value_of(settings: Settings, key: str) -> Any:
    """The value of a setting."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def differing(running: Settings, wanted: Settings) -> tuple[str, ...]:
    """The settings that differ."""
    return tuple(key for key in keys() if value_of(running, key) != value_of(wanted, key))


def settled(running: Settings, wanted: Settings) -> Settings:
    """What counts after the change: `wanted`, but for what waits for the next start."""
    settings = wanted
    for key in differing(running, wanted):
        if effect_of(key).when is When.RESTART:
            settings = _with(settings, key.split("."), value_of(running, key))
    return settings


def _with(table: Any, path: list[str], value: Any) -> Any:
    inner = value if len(path) == 1 else _with(getattr(table, path[0]), path[1:], value)
    return table.model_copy(update={path[0]: inner})
