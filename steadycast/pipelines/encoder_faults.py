"""What went wrong with an encoder, from what GStreamer and the driver's libraries left behind. Pure.

GStreamer drops the driver's status on its way to the bus, so the lines of its debug log count as well. Texts are those
of GStreamer 1.22 to 1.28 (sys/nvcodec, gst-libs/gst/cuda, sys/va), nvEncodeAPI.h, cuda.h and va_str.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from steadycast.errors import EncoderError
from steadycast.model import EncoderFault
from steadycast.pipelines.failures import CORE, MISSING_PLUGIN, STREAM, Fault

LIBRARY = "gst-library-error-quark"
_INIT, _SETTINGS = 3, 5  # of LIBRARY
_WRONG_TYPE, _FORMAT = 5, 10  # of STREAM


@dataclass(frozen=True, slots=True)
class Evidence:
    """`faults` are errors of the bus, the first first: what follows it is only its echo. `log` are lines of GStreamer's
    debug log since the try began. `opened`: it had made a frame. `missing`: it could not be made at all. `hung`: it did
    not come back. `silent`: it took frames and made none."""

    faults: tuple[Fault, ...] = ()
    log: tuple[str, ...] = ()
    opened: bool = False
    missing: bool = False
    hung: bool = False
    silent: bool = False


# NVENCSTATUS (nvEncodeAPI.h). 10 and 21 are what the session cap looks like; 10 is a real lack of memory as well.
_NVENC = {
    1: ("NO_ENCODE_DEVICE", EncoderFault.UNSUPPORTED),
    2: ("UNSUPPORTED_DEVICE", EncoderFault.UNSUPPORTED),
    4: ("INVALID_DEVICE", EncoderFault.DRIVER_LOST),
    5: ("DEVICE_NOT_EXIST", EncoderFault.DRIVER_LOST),
    8: ("INVALID_PARAM", EncoderFault.SETTINGS),
    10: ("OUT_OF_MEMORY", EncoderFault.OUT_OF_MEMORY),
    12: ("UNSUPPORTED_PARAM", EncoderFault.SETTINGS),
    15: ("INVALID_VERSION", EncoderFault.VERSION),
    21: ("INCOMPATIBLE_CLIENT_KEY", EncoderFault.CLIENT_KEY),
}
_NVENC_BY_NAME = dict(_NVENC.values())
_NVENC_NAME = re.compile(r"NV_ENC_ERR_([A-Z_]+)")
# "NvEnc API call failed: 0x15", "NvEncOpenEncodeSessionEx failed: codec h264, device 0, error code 21",
# "CreateBitstreamBuffer failed: out of memory (10)", "Failed to init encoder: 10"
_NVENC_NUMBER = re.compile(
    r"NvEnc API call failed: (0x[0-9a-f]+)|NvEnc\w+ failed.*error code,? (\d+)"
    r"|(?:out of memory|incompatible client key|unsupported device|no encode device|invalid version) \((\d+)\)",
    re.IGNORECASE,
)

# CUresult (cuda.h). 700, 719 and 800 do not go away within a process; 999 is often a device that went away.
_CUDA = {
    2: ("OUT_OF_MEMORY", EncoderFault.OUT_OF_MEMORY),
    46: ("DEVICE_UNAVAILABLE", EncoderFault.OPEN),  # another process has it for itself
    100: ("NO_DEVICE", EncoderFault.DRIVER_LOST),
    214: ("ECC_UNCORRECTABLE", EncoderFault.DRIVER_LOST),
    700: ("ILLEGAL_ADDRESS", EncoderFault.DRIVER_LOST),
    702: ("LAUNCH_TIMEOUT", EncoderFault.DRIVER_LOST),
    719: ("LAUNCH_FAILED", EncoderFault.DRIVER_LOST),
    800: ("NOT_PERMITTED", EncoderFault.DRIVER_LOST),
    803: ("SYSTEM_DRIVER_MISMATCH", EncoderFault.VERSION),
    999: ("UNKNOWN", EncoderFault.DRIVER_LOST),
}
_CUDA_BY_NAME = dict(_CUDA.values())
_CUDA_NAME = re.compile(r"CUDA_ERROR_([A-Z_]+)")
_CUDA_NUMBER = re.compile(r"CUDA (?:call failed|error|result)\D{0,12}(\d+)", re.IGNORECASE)

# vaErrorStr (va_str.h, va.c), and the names of va.h.
_VA = (
    (re.compile(r"resource allocation failed|VA_STATUS_ERROR_ALLOCATION_FAILED", re.I), EncoderFault.OUT_OF_MEMORY),
    (
        re.compile(
            r"requested VA(Profile|EntryPoint|.*RT Format).*not supported|resolution.*not supported"
            r"|VA_STATUS_ERROR_(UNSUPPORTED_(PROFILE|ENTRYPOINT|RT_FORMAT)|RESOLUTION_NOT_SUPPORTED)",
            re.I,
        ),
        EncoderFault.UNSUPPORTED,
    ),
    (re.compile(r"HW_BUSY|hardware busy|HW busy", re.I), EncoderFault.OPEN),
    (re.compile(r"invalid parameter.*va|VA_STATUS_ERROR_INVALID_PARAMETER", re.I), EncoderFault.SETTINGS),
)
_NO_API = re.compile(r"does not support the required nvenc API version", re.I)
_NO_MEMORY = re.compile(r"Failed to allocate required memory|Cannot allocate memory", re.I)


def classify(evidence: Evidence) -> EncoderFault:
    """What it was. Total: nothing known is `encoder.open_failed`, or `encoder.failed` once it had been open."""
    if evidence.missing:
        return EncoderFault.MISSING
    if evidence.hung:
        return EncoderFault.HUNG
    found = status(evidence)
    if found is not None:
        return found
    first = evidence.faults[0] if evidence.faults else None
    if first is not None and (named := _by_kind(first)) is not None:
        return named
    return EncoderFault.FAILED if evidence.opened or evidence.silent else EncoderFault.OPEN


def status(evidence: Evidence) -> EncoderFault | None:
    """By a status of NVENC, CUDA or VA-API, the bus before the log; None where none is told.

    NVENC's own comes first: GStreamer reports a session that it does not get as CUDA's NO_DEVICE, too.
    """
    lines = (*_texts(evidence.faults), *evidence.log)
    every = (found for read in (_nvenc, _cuda, _va) for line in lines if (found := read(line)) is not None)
    return next(every, None)


def _texts(faults: Iterable[Fault]) -> Iterable[str]:
    for fault in faults:
        yield f"{fault.text}\n{fault.debug}"


def _nvenc(line: str) -> EncoderFault | None:
    if (named := _NVENC_NAME.search(line)) is not None:
        return _NVENC_BY_NAME.get(named.group(1))
    if (numbered := _NVENC_NUMBER.search(line)) is not None:
        text = next(group for group in numbered.groups() if group is not None)
        return _NVENC.get(int(text, 0), (None, None))[1]
    return EncoderFault.VERSION if _NO_API.search(line) else None


def _cuda(line: str) -> EncoderFault | None:
    if (named := _CUDA_NAME.search(line)) is not None:
        return _CUDA_BY_NAME.get(named.group(1))
    if (numbered := _CUDA_NUMBER.search(line)) is not None:
        return _CUDA.get(int(numbered.group(1)), (None, None))[1]
    return None


def _va(line: str) -> EncoderFault | None:
    return next((fault for pattern, fault in _VA if pattern.search(line)), None)


def _by_kind(fault: Fault) -> EncoderFault | None:
    """By the domain and code of an error that tells no status."""
    if _NO_MEMORY.search(f"{fault.text}\n{fault.debug}"):
        return EncoderFault.OUT_OF_MEMORY
    kind = (fault.domain, fault.code)
    if kind == (CORE, MISSING_PLUGIN):
        return EncoderFault.MISSING
    if kind == (LIBRARY, _SETTINGS):
        return EncoderFault.SETTINGS
    if kind in ((STREAM, _WRONG_TYPE), (STREAM, _FORMAT)) or "not-negotiated" in fault.debug:
        return EncoderFault.UNSUPPORTED if "Failed to" not in fault.debug else None
    return None


_WORDS: dict[EncoderFault, tuple[str, str | None]] = {
    EncoderFault.OUT_OF_MEMORY: ("the driver gave no session or no memory (NVENC 10)", "end other encoders on it"),
    EncoderFault.CLIENT_KEY: ("the driver gives no more sessions (NVENC 21)", "end other encoders on it"),
    EncoderFault.UNSUPPORTED: ("this device does not encode that", "choose another codec, size or device"),
    EncoderFault.VERSION: ("the driver and the library do not fit", "update the driver, and restart the machine"),
    EncoderFault.MISSING: (
        "the element is not there in this process: its driver refused a session when its plugin was loaded",
        "`steadycast doctor` tells which plugin; end other encoders on the device",
    ),
    EncoderFault.OPEN: ("it refused, and did not tell why", "the worker's log may have more"),
    EncoderFault.DRIVER_LOST: ("its device is gone or in a state that needs a new process", "look at the kernel's log"),
    EncoderFault.HUNG: ("it did not answer, so its process must end", "look at the kernel's log for the device"),
    EncoderFault.FAILED: ("it stopped working", "the worker's log has the details"),
    EncoderFault.SETTINGS: ("it does not take what was asked of it", None),
}


def refusal(element: str, evidence: Evidence, detail: str | None = None) -> EncoderError:
    """The error for a person. `detail` says more than the fault alone does."""
    fault = classify(evidence)
    what = f"{element} {'failed' if evidence.opened else 'did not open'}"
    why, hint = _WORDS[fault]
    return EncoderError(fault, what, why=f"{why}; {detail}" if detail else why, hint=hint)
