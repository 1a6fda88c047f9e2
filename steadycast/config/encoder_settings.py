"""The tables `encoders` and `vendors`: who may encode where, and which devices are looked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from steadycast.config.tables import Seconds, Table
from steadycast.model import Codec, HardwareUse, WhenFull


class FragmentSettings(Table):
    """An operator's own encoder: a piece of a GStreamer pipeline, raw video in, encoded video out.

    Placeholders: {bitrate_kbps}, {bitrate_bps}, {keyframe_frames}, {width}, {height}, {fps}, {threads}.
    """

    codec: Codec
    device: str = Field("software", min_length=1, max_length=200, description="Device that it works on.")
    launch: str = Field(min_length=1, max_length=4096, description="As gst-launch takes it.")
    memory: str | None = Field(
        None, pattern=r"^memory:[A-Za-z0-9]+$", description="Caps feature that it takes: memory:CUDAMemory, say."
    )


class EncoderSettings(Table):
    """Who may encode where, and what happens when nothing is free."""

    hardware: HardwareUse = Field(
        HardwareUse.PREFER, description="require, prefer or forbid a GPU; a lobby may differ."
    )
    when_full: WhenFull = Field(WhenFull.FALLBACK, description="fallback (software), queue or refuse.")
    queue_s: float = Field(10, gt=0, le=14, description="Longest wait in the line; then the viewer is refused.")
    queue_length: int = Field(256, ge=1, le=10_000, description="Most requests that may wait.")
    sessions: dict[str, Annotated[int, Field(ge=0, le=10_000)]] = Field(
        default_factory=dict, description="Session caps by pool (`geforce`, or a device's id), over any learned value."
    )
    weights: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        default_factory=dict, description="How much a device should get compared with others (1)."
    )
    vram_reserve: float = Field(0.05, ge=0, lt=1, description="Share of a GPU's memory that is left free.")
    reference_budget_mb: float = Field(
        50, gt=0, le=10_000, description="Most megabytes for the reference frames of one encoder."
    )
    cpu_share: float = Field(0.8, gt=0, le=1, description="Share of the CPU that software encoders may use.")
    cpu_pixels_per_s: float | None = Field(
        None, gt=0, le=1e12, description="H.264 pixels a second of this machine; None: measured at the first start."
    )
    descriptors_reserve: int = Field(64, ge=0, le=1_000_000, description="Descriptors of a process left free.")
    promote_after_s: Seconds = Field(3, description="A slot must be free this long before software is promoted.")
    open_s: Seconds = Field(5, description="From opening an encoder until it is open; then it counts as hung.")
    look_s: Seconds = Field(2, description="Between looks at the devices.")
    breaker_failures: int = Field(3, ge=1, le=100, description="Failures in `breaker_window_s` that open a breaker.")
    breaker_window_s: Seconds = Field(60)
    breaker_rest_s: Seconds = Field(30, description="From open until a trial may close it; doubles each time.")
    breaker_trips: int = Field(5, ge=1, le=100, description="Openings in a row after which a person must reset it.")
    fragments: dict[str, FragmentSettings] = Field(default_factory=dict, max_length=32)


class VendorSettings(Table):
    """A vendor that is looked for on this machine."""

    enabled: bool = True
    deadline_s: Seconds = Field(2, description="A look that takes longer counts as hung.")


class SimulatedSettings(Table):
    """Devices for machines without a GPU: x264 behind a driver with a session cap and faults. Nothing of it is real."""

    enabled: bool = False
    deadline_s: Seconds = 2
    gpus: int = Field(1, ge=1, le=16)
    pool: Literal["shared", "each"] = Field("shared", description="One cap for all GPUs, as GeForce, or one for each.")
    sessions: int = Field(3, ge=0, le=1000, description="Encoder sessions that the driver really gives.")
    told_sessions: int | None = Field(None, ge=0, le=1000, description="What its documentation says; None: the truth.")
    vram_bytes: int = Field(8 << 30, ge=0)
    session_vram_bytes: int = Field(200 << 20, ge=0)
    foreign_sessions: int = Field(0, ge=0, le=1000, description="Sessions that another program holds.")
    style: Literal["legacy", "modern", "missing"] = Field(
        "modern", description="Where a refusal shows: at the state change, in the stream, or as a missing element."
    )
    refusal_code: Literal[10, 21] = Field(21, description="NVENC's code when the cap is reached.")
    faults: dict[str, Annotated[float, Field(ge=0, le=1e9)]] = Field(
        default_factory=dict,
        description="refuse_next, hang_on_open, fail_after_frames, driver_lost, steal_slot, see docs/limits.md.",
    )


class VendorsSettings(Table):
    """Vendors by name; `others` are tables for those that come by entry point."""

    nvidia: VendorSettings = Field(default_factory=VendorSettings)
    va: VendorSettings = Field(default_factory=VendorSettings)
    simulated: SimulatedSettings = Field(default_factory=SimulatedSettings)
    others: dict[str, dict[str, str | int | float | bool]] = Field(default_factory=dict, max_length=32)
