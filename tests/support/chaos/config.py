"""The host's config under chaos: short deadlines, and what follows from them for those who watch. Pure."""

from __future__ import annotations

from pathlib import Path

CAP = 2  # encoder sessions of the simulated GPU
SILENCE_S = 3.0
STALL_S = 4.0
HEARTBEAT_S = 0.5
SOURCE_S = 8.0
END_S = 2.0
TERM_S = 1.0
KILL_S = 3.0
ADOPT_S = 5.0
ORPHAN_S = 20.0
CAMERA_TIMEOUT_S = 4.0  # of any source, in spite of its name
CAMERA_BACKOFF_S = (0.2, 1.0)
OPEN_S = 2.0
QUEUE_S = 3.0
EVIDENCE_S = 1.5  # what is kept before a worker that hangs is ended
LADDER_S = END_S + TERM_S + KILL_S
# From the moment at which a worker hangs until it is gone.
HUNG_S = SILENCE_S + 2 * HEARTBEAT_S + EVIDENCE_S + END_S + TERM_S
STALLED_S = STALL_S + 2 * HEARTBEAT_S + EVIDENCE_S + END_S + TERM_S
CAMERA_BACK_S = CAMERA_TIMEOUT_S + CAMERA_BACKOFF_S[1] * 1.25 + END_S
# Restarts that are not forgiven yet wait 0.5, 1, 2, 4, 8 s, a quarter more or less.
RESTART_WAITS_S = (0.0, 0.625, 1.25, 2.5, 5.0, 8.0)
FORGIVEN_S = 12.0  # until a keyframe of a lobby that came back was decoded, which forgives


def restart_wait_s(losses: int) -> float:
    """What a lobby waits at most after so many losses that are not forgiven."""
    return RESTART_WAITS_S[min(max(losses, 1), len(RESTART_WAITS_S)) - 1]


def config(media: Path, *, linger_s: float = 1.0, extra: str = "") -> str:
    """As TOML. `media` is the folder of files that may be shown."""
    return f"""
log_level = "info"
[renditions]
linger_s = {linger_s}
keyframe_s = 1
[egress]
workers = 2
spares = 1
drain_s = 3
viewer_silence_s = 8
viewer_stalled_s = 6
[limits]
offers_per_s = 10000
[sources]
any_command = true
file_folders = ["{media}"]
rtsp_timeout_s = {CAMERA_TIMEOUT_S}
rtsp_backoff_s = [{CAMERA_BACKOFF_S[0]}, {CAMERA_BACKOFF_S[1]}]
[sources.applications]
ico = ["ico", "-faces", "-sleep", "0.05"]
[workers]
spares = 1
restarts = 1000
restart_window_s = 1
heartbeat_s = {HEARTBEAT_S}
silence_s = {SILENCE_S}
stall_s = {STALL_S}
source_s = {SOURCE_S}
end_s = {END_S}
term_s = {TERM_S}
kill_s = {KILL_S}
adopt_s = {ADOPT_S}
orphan_timeout_s = {ORPHAN_S}
[encoders]
queue_s = {QUEUE_S}
open_s = {OPEN_S}
look_s = 0.5
promote_after_s = 0.5
breaker_rest_s = 1
breaker_trips = 100
cpu_pixels_per_s = 1e9
[vendors.nvidia]
enabled = false
[vendors.va]
enabled = false
[vendors.simulated]
enabled = true
sessions = {CAP}
{extra}
"""
