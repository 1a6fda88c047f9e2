"""What an encoding costs, estimated before anything is built: video memory, BAR1, CPU. Pure.

The figures are first guesses on the safe side. CPU is measured at the first start and replaces them; video memory is
only reserved until the driver shows what is really used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from steadycast.model import Codec

MIB = 1 << 20

# A worker's CUDA context and the encoder's own buffers do not depend on the picture.
FIXED_VRAM = 160 * MIB
# Pictures that an open encoder holds: input pool, reference frames (H.264 level 4.1 at 1080p keeps 4, HEVC and AV1 up
# to 16 and 8), and as much again in reconstructed ones. NV12 has 1.5 bytes a pixel; rows are aligned to 256 bytes.
SURFACES: Mapping[Codec, int] = MappingProxyType(
    {Codec.H264: 24, Codec.H265: 32, Codec.AV1: 36, Codec.VP8: 20, Codec.VP9: 28}
)
# The bitstream buffers and the doorbells of a context are mapped through BAR1; 256 MiB is the usual aperture.
SESSION_BAR1 = 4 * MIB

# How many times the CPU time of x264 (ultrafast, zerolatency) another encoder takes at its fastest live setting.
DEFAULT_FACTORS: Mapping[Codec, float] = MappingProxyType(
    {Codec.H264: 1.0, Codec.H265: 4.0, Codec.AV1: 5.0, Codec.VP8: 2.0, Codec.VP9: 3.0}
)
# A codec that no table names is taken for the dearest.
UNKNOWN_FACTOR = 5.0
UNKNOWN_SURFACES = 36
# H.264 pixels a second of one slow server core, used until a real encode was measured: two pictures of 720p30.
ASSUMED_PIXELS_PER_CORE = 55_296_000.0

# Descriptors that opening takes in its process: a CUDA context opens the device nodes several times, software nothing
# but a few pipes.
HARDWARE_DESCRIPTORS = 32
SOFTWARE_DESCRIPTORS = 4


def vram_bytes(codec: Codec, width: int, height: int) -> int:
    """Video memory of one session with a picture of this size."""
    row = -(-max(1, width) // 256) * 256
    picture = row * (-(-max(1, height) // 16) * 16) * 3 // 2
    return FIXED_VRAM + SURFACES.get(codec, UNKNOWN_SURFACES) * picture


def bar1_bytes() -> int:
    """BAR1 aperture of one session."""
    return SESSION_BAR1


def cpu_pixels(codec: Codec, pixels_per_s: float, factors: Mapping[Codec, float]) -> float:
    """What a software encoding uses of the CPU budget, in whole H.264 pixels a second (at least 1)."""
    factor = factors.get(codec) or DEFAULT_FACTORS.get(codec, UNKNOWN_FACTOR)
    needs = pixels_per_s * factor
    return float(max(1, math.ceil(needs))) if math.isfinite(needs) else math.inf


def assumed_cpu(cores: int, share: float) -> float:
    """The budget before it was measured: H.264 pixels a second that `share` of so many cores make."""
    return float(math.floor(max(1, cores) * ASSUMED_PIXELS_PER_CORE * share))
