"""What `doctor` makes of what it saw: pure judgement, the facts are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from steadycast.vendors.look import Gpu

Grade = Literal["good", "note", "bad"]
OLDEST_GSTREAMER = (1, 22)
BINDINGS = ("python3-gi", "python3-gst-1.0", "gir1.2-gstreamer-1.0", "gir1.2-gst-plugins-base-1.0")
DESCRIPTORS = 4096  # a soft limit below it is reached by some hundred viewers

# Where the elements that a host needs come from; those not named here are in gstreamer1.0-plugins-good.
_PACKAGES = {
    "gstreamer1.0-plugins-base": (
        "videorate", "videoscale", "videoconvert", "audioconvert", "audioresample", "opusenc", "videotestsrc",
        "audiotestsrc", "textoverlay", "parsebin", "decodebin", "multisocketsink",
    ),
    "gstreamer1.0-plugins-bad": ("h264parse", "h265parse"),
    "gstreamer1.0-plugins-ugly": ("x264enc",),
    "gstreamer1.0-libav": ("avdec_h264", "avdec_h265", "avdec_aac"),
    "libgstreamer1.0-0": ("queue", "tee", "capsfilter", "filesrc", "clocksync"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `packages` are Debian's that would mend it."""

    thing: str
    grade: Grade
    what: str
    hint: str | None = None
    packages: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "thing": self.thing,
            "grade": self.grade,
            "what": self.what,
            "hint": self.hint,
            "packages": list(self.packages),
        }


def worst(findings: Sequence[Finding]) -> Grade:
    """The worst grade of all."""
    grades = {finding.grade for finding in findings}
    return "bad" if "bad" in grades else "note" if "note" in grades else "good"


def apt_line(findings: Sequence[Finding]) -> str | None:
    """The line that installs all that is missing; None where nothing is."""
    packages = sorted({package for finding in findings for package in finding.packages})
    return f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}" if packages else None


def judge_python(version: tuple[int, ...]) -> Finding:
    """Python 3.11 or newer."""
    text = ".".join(map(str, version[:3]))
    return Finding("Python", "good" if version >= (3, 11) else "bad", text)


def judge_gstreamer(told: Mapping[str, Any], why: str | None) -> Finding:
    """`told` is what the canary printed: `gstreamer` (version; None or not there: it cannot be used) and `missing`."""
    if not told.get("gstreamer"):
        what = str(why or "it cannot be used from Python")
        hint = "A virtual environment must be made with --system-site-packages to see python3-gi."
        return Finding("GStreamer", "bad", what, hint, BINDINGS)
    version, missing = str(told["gstreamer"]), tuple(map(str, told["missing"]))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GSTREAMER:
        return Finding("GStreamer", "bad", f"{version} is too old.", "1.22 or newer is needed.")
    if missing:
        return Finding("GStreamer", "bad", f"{version}, without {', '.join(missing)}", None, packages_of(missing))
    return Finding("GStreamer", "good", f"{version}, with all needed elements")


def packages_of(elements: Sequence[str]) -> tuple[str, ...]:
    """Debian's packages that hold these elements."""
    by_element = {element: package for package, held in _PACKAGES.items() for element in held}
    return tuple(sorted({by_element.get(element, "gstreamer1.0-plugins-good") for element in elements}))


def judge_canary(ok: bool, why: str | None, took_s: float) -> Finding:
    """Whether a tiny pipeline plays in a child."""
    if ok:
        return Finding("Pipeline", "good", f"a tiny one was built and played in {took_s:.1f} s")
    return Finding("Pipeline", "bad", f"a tiny one did not play: {why}")


def judge_program(name: str, path: str | None, package: str, needed_for: str) -> Finding:
    """A program on PATH; without it something cannot be done, but a host runs."""
    if path is not None:
        return Finding(name, "good", path)
    return Finding(name, "note", f"not found: {needed_for} cannot be shown", None, (package,))


def judge_port(name: str, port: int, taken: str | None) -> Finding:
    """`taken`: None where the port can be had, else why not."""
    if taken is None:
        return Finding(name, "good", f"port {port} is free")
    return Finding(
        name, "note", f"port {port}: {taken}", "A running host, or another program; see --port, --rtsp-port."
    )


def judge_gpus(gpus: Sequence[Gpu], closed: Sequence[str]) -> Finding:
    """GPUs, which are not needed; `closed` are the nodes of theirs that this user may not open."""
    if not gpus:
        return Finding("GPU", "note", "none found; video is encoded on the CPU")
    shown = ", ".join(gpu.text() for gpu in gpus)
    if closed:
        hint = f"This user may not open {', '.join(closed)}: join the groups render and video."
        return Finding("GPU", "note", shown, hint)
    return Finding("GPU", "good", shown)


def judge_descriptors(soft: int, hard: int) -> Finding:
    """The limit of open files."""
    if soft >= DESCRIPTORS or soft < 0:
        return Finding("Open files", "good", f"limit {soft if soft >= 0 else 'none'}")
    return Finding("Open files", "note", f"limit {soft}", f"Many viewers need more: ulimit -n {min(hard, 65_536)}")
