"""What an encoder will hold at most, estimated before it is opened. Pure; bytes.

Software was measured (`python -m benchmarks.encoder_memory`: x264, x265, libvpx and libaom of Debian 12, two threads,
own memory of the whole process, at 720p, 1080p and 2160p), and a sixth is added. Hardware is a guess on the safe side:
it is only reserved until the driver shows what is really used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steadycast.leases.references import LIVE_SLOTS, SLOTS
from steadycast.model import Codec

MIB = 1 << 20
# A worker's CUDA context and the encoder's own buffers do not depend on the picture.
FIXED_VRAM = 160 * MIB
# Pictures that an open hardware encoder holds: input pool, reference frames (H.264 level 4.1 at 1080p keeps 4, HEVC and
# AV1 up to 16 and 8), and as much again in reconstructed ones. NV12; rows are aligned to 256 bytes.
SURFACES: Mapping[Codec, int] = MappingProxyType(
    {Codec.H264: 24, Codec.H265: 32, Codec.AV1: 36, Codec.VP8: 20, Codec.VP9: 28}
)
UNKNOWN_SURFACES = 36
NV12 = 1.5  # bytes a pixel
SPARE = 7 / 6  # of what was measured: the same encoder took 13 % more in one run of three
INPUT = 6  # raw pictures on their way: two wait, one is scaled, one is encoded, and what pools keep beside


@dataclass(frozen=True, slots=True)
class Use:
    """Of a software encoder: bytes a pixel of each reference (with what is kept to search in it) and of all else that
    goes with the picture, and what does not."""

    reference: float
    work: float
    context: int


# A codec that no table names is taken for the largest.
SOFTWARE: Mapping[Codec, Use] = MappingProxyType(
    {
        Codec.H264: Use(6.0, 5.0, 10 * MIB),
        Codec.H265: Use(8.5, 36.0, 26 * MIB),
        Codec.VP8: Use(1.7, 27.0, 4 * MIB),
        Codec.VP9: Use(1.7, 66.0, 20 * MIB),
        Codec.AV1: Use(1.7, 18.0, 10 * MIB),
    }
)


@dataclass(frozen=True, slots=True)
class EncoderMemory:
    """By what it is for. `surfaces` are the encoder's own working pictures, `input` raw ones in front of it."""

    references: int
    surfaces: int
    input: int
    bitstream: int
    context: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.references + self.surfaces + self.input + self.bitstream + self.context

    def words(self) -> str:
        """For a person, in MiB."""
        parts = ("references", "surfaces", "input", "bitstream", "context")
        told = (f"{name} {getattr(self, name) / MIB:.0f}" for name in parts if getattr(self, name) >= MIB / 2)
        return f"{self.total / MIB:.0f} MiB ({', '.join(told)})"


def in_software(codec: Codec, width: int, height: int, references: int = 1, kbps: int = 0) -> EncoderMemory:
    """Main memory of the process that opens it. `kbps`: two buffers of the rate control, half a second each."""
    pixels = max(1, width) * max(1, height)
    use = SOFTWARE.get(codec) or SOFTWARE[Codec.VP9]
    count = min(LIVE_SLOTS, SLOTS[codec]) if codec in SLOTS else max(1, references)
    return EncoderMemory(
        round(count * use.reference * SPARE * pixels), round(use.work * SPARE * pixels),
        round(INPUT * NV12 * SPARE * pixels), kbps * 125, round(use.context * SPARE),
    )  # fmt: skip


def in_hardware(codec: Codec, width: int, height: int, references: int = 1) -> EncoderMemory:
    """Video memory of one session with a picture of this size."""
    row = -(-max(1, width) // 256) * 256
    picture = row * (-(-max(1, height) // 16) * 16) * 3 // 2
    pictures = SURFACES.get(codec, UNKNOWN_SURFACES)
    kept = min(max(1, references), pictures)
    return EncoderMemory(kept * picture, (pictures - kept) * picture, 0, 0, FIXED_VRAM)
