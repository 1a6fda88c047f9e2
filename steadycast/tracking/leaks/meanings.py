"""What it means when these grow together: a small table. Its rows are facts about libraries and drivers, not code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from steadycast.model.series import Measured, Resource

R = Resource


@dataclass(frozen=True, slots=True)
class Meaning:
    """`grow` all grow; none of `still` does, where it is measured. `says` completes "each ... keeps this:"."""

    grow: tuple[tuple[Resource, str], ...]  # and a pattern for the detail, "" for any
    says: str
    weight: float
    still: tuple[tuple[Resource, str], ...] = ()


_NVIDIA = (R.DESCRIPTORS, "nvidia")
_CUDA = (R.THREADS, "cuda")
_DRI = (R.DESCRIPTORS, "dri|render|drm")
_DMABUF = (R.DESCRIPTORS, "dmabuf|dma-buf")
_EVENTS = (R.DESCRIPTORS, "eventfd|eventpoll|pipe")
_SOCKET = (R.DESCRIPTORS, "socket")

MEANINGS = (
    Meaning((_NVIDIA, _CUDA, (R.VRAM, "")), "an encoder or CUDA context is not destroyed", 1.0),
    Meaning((_NVIDIA, _CUDA), "an encoder or CUDA context is not destroyed", 0.95),
    Meaning((_CUDA, (R.VRAM, "")), "a CUDA context is not destroyed: a buffer, stream or pool still refers to it", 0.9),
    Meaning((_CUDA,), "a CUDA context is not destroyed: each has a thread of its own", 0.7),
    Meaning(((R.VRAM, ""), (R.ENCODER_SESSIONS, "")), "an encoder session is not closed", 0.95),
    Meaning(((R.ENCODER_SESSIONS, ""),), "an encoder session is not closed", 0.85),
    Meaning(
        ((R.VRAM, ""),),
        "GPU memory is not freed: a GL or EGL context, a texture, a surface or a CUDA allocation, none of which opens "
        "a descriptor of its own on NVIDIA",
        0.8,
        (_NVIDIA, _DRI, _DMABUF, _CUDA, (R.DMABUF, "")),
    ),
    Meaning(((R.VRAM, ""), _NVIDIA), "a GPU context is not destroyed", 0.8),
    Meaning((_NVIDIA,), "something that opens the NVIDIA driver (CUDA, NVENC, GL) is not closed", 0.7),
    Meaning((_DMABUF, (R.DMABUF, "")), "imported or exported frames are not released", 0.95),
    Meaning(((R.DMABUF, ""),), "imported or exported frames are not released", 0.85),
    Meaning((_DMABUF,), "imported or exported frames are not released", 0.8),
    Meaning((_DRI,), "a DRM device is opened again and again and not closed", 0.8),
    Meaning(
        ((R.OBJECTS, "pipeline|bin"), _EVENTS),
        "a pipeline is kept: never set to NULL, or a pad probe, signal or bus watch still refers to it",
        1.0,
    ),
    Meaning(
        ((R.OBJECTS, ""), (R.PYTHON, "")),
        "a Python closure holds objects (a pad probe, a signal handler or a bus watch that was not removed)",
        0.9,
    ),
    Meaning(((R.OBJECTS, ""),), "objects are still referred to after their pipeline ended", 0.8),
    Meaning(((R.PYTHON, ""),), "Python objects are kept: a list, a cache or a closure that only grows", 0.6),
    Meaning((_EVENTS, (R.THREADS, "")), "a thread with an event loop of its own is not ended", 0.85),
    Meaning(
        (_SOCKET, (R.THREADS, "")),
        "connections and the threads that serve them are not ended, or pipelines are never set to NULL",
        0.85,
    ),
    Meaning((_SOCKET,), "sockets are not closed: connections, or the buses of kept pipelines (two for each)", 0.8),
    Meaning(((R.SOCKETS, ""),), "connections are not closed", 0.75),
    Meaning((_EVENTS, (R.IN_USE, "")), "an event loop or a bus is kept, with what belongs to it", 0.75),
    Meaning((_EVENTS,), "a bus, a poll or an event loop is not freed", 0.7),
    Meaning(((R.DESCRIPTORS, "memfd|shm|deleted"),), "shared memory for frames is not released", 0.8),
    Meaning(((R.MEMFD, ""),), "shared memory for frames is not released", 0.8),
    Meaning(((R.DESCRIPTORS, "pidfd"),), "children are watched and not let go of", 0.8),
    Meaning(((R.ZOMBIES, ""),), "ended children are not waited for", 0.95),
    Meaning(((R.DISPLAYS, ""),), "X or Wayland displays are not ended", 0.9),
    Meaning(((R.CHILDREN, "Xvfb|Xorg|Xwayland"),), "X displays are not ended", 0.9),
    Meaning(((R.CHILDREN, ""),), "child processes are not ended", 0.8),
    Meaning(((R.THREADS, ""),), "threads are not ended or joined", 0.75),
    Meaning(((R.DESCRIPTORS, "file|device"),), "files or devices are opened again and again and not closed", 0.75),
    Meaning(((R.DESCRIPTORS, ""),), "descriptors are not closed", 0.6),
    Meaning(((R.POOL, ""),), "a pool is made for each key (a size, a format, a client) and none is given up", 0.9),
    Meaning(((R.QUEUE, ""),), "a queue takes more than is taken from it: nothing bounds it", 0.9),
    Meaning(((R.FILES, ""),), "files are left behind by something that ended", 0.8),
    Meaning(
        ((R.IN_USE, ""),),
        "memory from malloc is not freed: no descriptor, thread or object goes with it",
        0.7,
        ((R.DESCRIPTORS, ""), (R.THREADS, ""), (R.OBJECTS, "")),
    ),
    Meaning(
        ((R.PRIVATE, ""),),
        "memory is mapped outside of malloc and not unmapped (a driver, a codec, frames)",
        0.6,
        ((R.IN_USE, ""), (R.DESCRIPTORS, ""), (R.THREADS, "")),
    ),
    Meaning(((R.HANDLES, ""),), "handles are not closed", 0.7),
)


def fits(wanted: tuple[Resource, str], measured: Measured) -> bool:
    """Whether a series is of the kind a row names."""
    resource, pattern = wanted
    return measured.resource is resource and (not pattern or re.search(pattern, measured.detail, re.I) is not None)
