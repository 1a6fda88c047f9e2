"""What an encoding costs, estimated before anything is built: BAR1, CPU (its memory: encoder_memory). Pure.

The figures are first guesses on the safe side. CPU is measured at the first start and replaces them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from steadycast.model import Codec

MIB = 1 << 20

# The bitstream buffers and the doorbells of a context are mapped through BAR1; 256 MiB is the usual aperture.
SESSION_BAR1 = 4 * MIB

# How many times the CPU time of x264 (ultrafast, zerolatency) another encoder takes at its fastest live setting.
DEFAULT_FACTORS: Mapping[Codec, float] = MappingProxyType(
    {Codec.H264: 1.0, Codec.H265: 4.0, Codec.AV1: 5.0, Codec.VP8: 2.0, Codec.VP9: 3.0}
)
# A codec that no table names is taken for the dearest.
UNKNOWN_FACTOR = 5.0
# H.264 pixels a second of one slow server core, used until a real encode was measured: two pictures of 720p30.
ASSUMED_PIXELS_PER_CORE = 55_296_000.0

# Descriptors that opening takes in its process: a CUDA context opens the device nodes several times, software nothing
# but a few pipes.
HARDWARE_DESCRIPTORS = 32
SOFTWARE_DESCRIPTORS = 4


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
