"""What `doctor` makes of vendors, devices and encoders: pure judgement, the facts are arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from steadycast.cli.findings import Finding, Grade
from steadycast.model import Codec, EncoderFault
from steadycast.vendors.nvidia_files import NvidiaFiles
from steadycast.vendors.protocol import Device, DeviceUse, EncoderChoice, VendorReport, VendorState
from steadycast.workers.trials import TrialResult

CAPABILITIES = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,video,utility"
SHOWN_SESSIONS = 8

# Where GStreamer's elements of a row of the table come from (Debian), by how the row's name begins.
_FROM = (
    (
        "nvcodec",
        "gstreamer1.0-plugins-bad",
        "The plugin nvcodec shows it only where libcuda and libnvidia-encode load.",
    ),
    ("va", "gstreamer1.0-plugins-bad", "VA also needs intel-media-va-driver or mesa-va-drivers; vainfo shows what is."),
    ("qsv", "gstreamer1.0-plugins-bad", "qsv also needs Intel's runtime: libmfx-gen1.2, or libmfx1."),
    ("x264", "gstreamer1.0-plugins-ugly", ""),
    ("svtav1", "", "GStreamer has it from 1.24 on; another AV1 encoder does as well."),
    ("vp", "gstreamer1.0-plugins-good", ""),
    ("", "gstreamer1.0-plugins-bad", ""),
)
_FIXES = {
    EncoderFault.OUT_OF_MEMORY: "Sessions or video memory are used up: end other programs that encode.",
    EncoderFault.CLIENT_KEY: "All sessions of the driver are used: end other programs that encode.",
    EncoderFault.UNSUPPORTED: "This chip does not do it: leave it to another device.",
    EncoderFault.VERSION: "The driver is too old for this GStreamer: install a newer one.",
    EncoderFault.DRIVER_LOST: "Look at dmesg; reset the GPU, or reboot.",
    EncoderFault.HUNG: "Its driver hangs: look at dmesg; reset the GPU, or reboot.",
}


Trials = Mapping[tuple[Codec, str], TrialResult]  # by codec and row of the table


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """One encoder of one device: `used` or not, and why; `hint` is what would change that.

    `works` says how its trial ended, None where there was none."""

    device: str
    codec: str
    entry: str
    used: bool
    why: str
    hint: str | None = None
    element: str | None = None
    works: bool | None = None
    fault: EncoderFault | None = None

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class NvidiaSeen:
    """What is known besides files: `has_bindings` (nvidia-ml-py is installed), `answers` (NVML does), `able` (a GPU may
    have an encoder), `encodes` (one did)."""

    has_bindings: bool = True
    answers: bool = False
    able: bool = False
    encodes: bool = False


def judge_nvidia(files: NvidiaFiles, seen: NvidiaSeen) -> Iterator[Finding]:
    """The driver, its nodes and libraries; nothing where there is no sign of NVIDIA."""
    if not (files.driver or files.nodes or files.cards):
        return
    if not files.driver and not seen.answers:
        yield _without_driver(files)
        return
    if not files.nodes and not seen.answers:
        fix = CAPABILITIES if files.container else "sudo nvidia-modprobe -c 0 -u"
        yield Finding("NVIDIA driver", "note", "loaded, but /dev/nvidia0 is not here", fix)
        return
    if files.closed:
        hint = "sudo usermod -aG video $USER, then log in again; see ls -l /dev/nvidia*"
        yield Finding("NVIDIA rights", "bad", f"this user may not open {', '.join(files.closed)}", hint)
    yield from _judge_nvml(files, seen)
    if seen.encodes or (seen.able and files.encode is not None):
        yield Finding("NVENC", "good", files.encode or "libnvidia-encode.so.1 is where it is found")
    elif files.encode is None:
        fix = CAPABILITIES if files.container else "sudo apt-get install libnvidia-encode1 (or your driver's package)"
        yield Finding("NVENC", "bad" if seen.able else "note", "libnvidia-encode.so.1 is not here", fix)


def _judge_nvml(files: NvidiaFiles, seen: NvidiaSeen) -> Iterator[Finding]:
    if seen.answers:
        yield Finding("NVML", "good", "it answers")
    elif files.nvml is None:
        fix = CAPABILITIES if files.container else "sudo apt-get install libnvidia-ml1 (or your driver's package)"
        yield Finding("NVML", "bad", "libnvidia-ml.so.1 is not here: GPUs cannot be seen", fix)
    elif not seen.has_bindings:
        yield Finding("NVML", "bad", "the Python package nvidia-ml-py is missing", "pip install nvidia-ml-py")


def _without_driver(files: NvidiaFiles) -> Finding:
    if files.nodes:
        what = f"{', '.join(files.nodes)} is here, and no driver in /proc/driver/nvidia"
        hint = f"Mapped by hand into a container? Better: {CAPABILITIES}" if files.container else "sudo modprobe nvidia"
    else:
        what, hint = (
            f"not loaded; a card is at {', '.join(files.cards)}",
            "Install NVIDIA's driver, then: modprobe nvidia",
        )
    return Finding("NVIDIA driver", "bad", what, hint)


def judge_report(report: VendorReport) -> Finding | None:
    """How a vendor answered; None where there is nothing to say about it."""
    thing = f"Vendor {report.vendor}"
    if report.state in (VendorState.FAILS, VendorState.HUNG):
        return Finding(thing, "bad", f"{report.state}: {report.why}", report.hint)
    if report.state is VendorState.OFF and report.vendor != "simulated":  # which is off on every real host
        return Finding(thing, "note", "switched off in the config")
    return None


def judge_device(device: Device, use: DeviceUse | None, rows: Sequence[EncoderRow]) -> Finding:
    """Whether a device is used. Bad is a GPU that could encode and does not; one that is fully in use is well."""
    driver = f", driver {device.driver}" if device.driver and device.driver not in device.name else ""
    thing, detail = device.id, f"{device.name}{driver}"
    memory = use and _memory(use)
    detail = f"{detail}, {memory}" if memory else detail
    if device.none_because is not None:
        grade: Grade = "bad" if device.broken else "note"
        return Finding(thing, grade, f"{detail}: NOT used: {device.none_because}", device.hint)
    codecs = list(dict.fromkeys(row.codec for row in rows if row.used))
    if codecs:
        return Finding(thing, "good", f"{detail}: used for {', '.join(codecs)}")
    if not any(row.works is False for row in rows):
        return Finding(
            thing, "note", f"{detail}: its encoders were not tried" if rows else f"{detail}: it has no encoder"
        )
    first = rows[0]
    is_fine = all(row.fault is EncoderFault.UNSUPPORTED or _is_full(row.fault, use) for row in rows)
    what = f"{detail}: NOT used: {first.entry}: {first.why}"
    return Finding(thing, "note" if is_fine else "bad", what, first.hint)


def _is_full(fault: EncoderFault | None, use: DeviceUse | None) -> bool:
    """Whether it was refused because somebody uses it, which may be our own host."""
    taken = use is not None and bool(use.session_count)
    return taken and fault in (EncoderFault.CLIENT_KEY, EncoderFault.OUT_OF_MEMORY)


def judge_encoders(device: Device, trials: Trials) -> tuple[EncoderRow, ...]:
    """Each encoder of a device. The first that works is the one that is used for its codec; the others stand by."""
    rows: list[EncoderRow] = []
    for choice in device.choices:
        before = next((row.entry for row in rows if row.used and row.codec == choice.codec), None)
        rows.append(_encoder(device, choice, trials.get((choice.codec, choice.entry)), before))
    return tuple(rows)


def _encoder(device: Device, choice: EncoderChoice, trial: TrialResult | None, before: str | None) -> EncoderRow:
    row = EncoderRow(device.id, choice.codec.value, choice.entry, used=False, why="not tried")
    if device.none_because is not None:
        return replace(row, why=device.none_because, hint=device.hint)
    if trial is None:
        return row
    if not trial.ok:
        why = ": ".join(filter(None, (trial.what, trial.why))) or "it failed"
        return replace(row, why=why, hint=fix(choice, trial.fault), works=False, fault=trial.fault)
    why = "it opened and encoded in a throw-away process"
    why = f"{before} comes first; {why}" if before else why
    return replace(row, used=before is None, why=why, element=trial.element, works=True)


def fix(choice: EncoderChoice, fault: EncoderFault | None) -> str | None:
    """What would make an encoder work, as far as its failure tells."""
    if fault is EncoderFault.MISSING:
        package, more = next((package, more) for start, package, more in _FROM if choice.entry.startswith(start))
        return " ".join(filter(None, (more, package and f"sudo apt-get install {package}")))
    return _FIXES.get(fault) if fault is not None else None


def judge_caps(
    devices: Sequence[Device], uses: Mapping[str, DeviceUse], configured: Mapping[str, int]
) -> Iterator[Finding]:
    """How many sessions each pool of a GPU gives, where the number comes from, and who has some now."""
    pools = dict.fromkeys(device.pool for device in devices if device.hardware and device.none_because is None)
    for pool in pools:
        mine = [device for device in devices if device.pool == pool]
        limit, origin = _cap(pool, mine, configured)
        counts = [use.session_count for device in mine if (use := uses.get(device.id)) is not None]
        known = [count for count in counts if count is not None]
        taken = f"{sum(known)} taken now" if known else "how many are taken is not known"
        names = [who for device in mine for who in _holders(uses.get(device.id))]
        shown = f" ({', '.join(names[:SHOWN_SESSIONS])})" if names else ""
        what = f"{'no limit is documented' if limit is None else f'{limit} by {origin}'}; {taken}{shown}"
        is_full = limit is not None and sum(known) >= limit
        yield Finding(f"Sessions {pool}", "note" if is_full else "good", what, _cap_hint(pool, is_full))
    for pool in sorted(set(configured) - {device.pool for device in devices}):
        yield Finding(f"Sessions {pool}", "note", "set in encoders.sessions, and no device here has this pool")


def _cap(pool: str, devices: Sequence[Device], configured: Mapping[str, int]) -> tuple[int | None, str]:
    if pool in configured:
        return configured[pool], "the config (encoders.sessions)"
    told = [device.session_cap for device in devices if device.session_cap is not None]
    driver = next((device.driver for device in devices if device.driver), None)
    if not told:
        return None, ""
    return min(told), f"the table of drivers ({driver}); a running host corrects it by what happens"


def _cap_hint(pool: str, is_full: bool) -> str | None:
    return f'End one of these programs; if the number is wrong: [encoders.sessions] "{pool}" = N' if is_full else None


def _holders(use: DeviceUse | None) -> Iterator[str]:
    for session in (use.sessions if use is not None else None) or ():
        pid = "a process that is not seen here" if session.pid is None else f"pid {session.pid}"
        yield f"{session.name} {pid}" if session.name else pid


def _memory(use: DeviceUse) -> str | None:
    if use.vram_total is None or use.vram_used is None:
        return None
    return f"{use.vram_used / 2**30:.1f} of {use.vram_total / 2**30:.1f} GiB used"
