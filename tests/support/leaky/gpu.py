"""On a GPU, by its own libraries: EGL contexts, CUDA memory, CUDA contexts and streams that are not given back."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from tests.support.leaky.kinds import Kind, Missing

MB = 1 << 20
_PLATFORM_DEVICE, _EXTENSIONS, _NO_SURFACE = 0x313F, 0x3055, None
_OPENGL_API, _RENDERABLE, _OPENGL_BIT, _SURFACE, _PBUFFER, _NONE = 0x30A2, 0x3040, 0x0008, 0x3033, 0x0001, 0x3038
_RENDERBUFFER, _RGBA8, _FRAMEBUFFER, _COLOR, _COLOR_BIT = 0x8D41, 0x8058, 0x8D40, 0x8CE0, 0x4000


def library(*names: str) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise Missing(f"there is no GPU here: {' or '.join(names)} cannot be loaded")


class Cuda:
    """Calls of libcuda that must succeed."""

    def __init__(self) -> None:
        self._library = library("libcuda.so.1")
        if self._library.cuInit(0) != 0:
            raise Missing("there is no GPU here: cuInit failed")
        self.device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)

    def call(self, name: str, *values: Any) -> None:
        if (code := getattr(self._library, name)(*values)) != 0:
            raise RuntimeError(f"{name}: error {code}")

    def context(self) -> ctypes.c_void_p:
        found = ctypes.c_void_p()
        self.call("cuCtxCreate_v2", ctypes.byref(found), 0, self.device)
        return found


class CudaMemory:
    """`size` bytes of GPU memory (at least 2 MB) in one context."""

    def __init__(self, size: int) -> None:
        self._cuda, self._size = Cuda(), max(size, 2 * MB)
        self._context = self._cuda.context()

    def cycle(self, lose: bool) -> None:
        at = ctypes.c_uint64()
        self._cuda.call("cuMemAlloc_v2", ctypes.byref(at), ctypes.c_size_t(self._size))
        if not lose:
            self._cuda.call("cuMemFree_v2", at)

    def close(self) -> None:
        self._cuda.call("cuCtxDestroy_v2", self._context)


class CudaContexts:
    """A context of its own for each cycle."""

    def __init__(self, size: int) -> None:
        self._cuda = Cuda()

    def cycle(self, lose: bool) -> None:
        context = self._cuda.context()
        if not lose:
            self._cuda.call("cuCtxDestroy_v2", context)

    def close(self) -> None:
        return


class CudaStreams:
    """Sixteen streams a cycle, in one context."""

    def __init__(self, size: int) -> None:
        self._cuda = Cuda()
        self._context = self._cuda.context()

    def cycle(self, lose: bool) -> None:
        streams = [ctypes.c_void_p() for _ in range(16)]
        for stream in streams:
            self._cuda.call("cuStreamCreate", ctypes.byref(stream), 1)
        for stream in () if lose else streams:
            self._cuda.call("cuStreamDestroy_v2", stream)

    def close(self) -> None:
        self._cuda.call("cuCtxDestroy_v2", self._context)


class GlContexts:
    """An EGL context on the first GPU with two renderbuffers of 4K, for each cycle."""

    def __init__(self, size: int) -> None:
        self._egl = egl = library("libEGL.so.1")
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        for name in ("eglGetPlatformDisplay", "eglCreateContext"):
            getattr(egl, name).restype = ctypes.c_void_p
        devices, count = (ctypes.c_void_p * 8)(), ctypes.c_int()
        query = self._function("eglQueryDevicesEXT", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        if not query(8, devices, ctypes.byref(count)) or not count.value:
            raise Missing("there is no GPU here: EGL knows no device")
        says = self._function("eglQueryDeviceStringEXT", ctypes.c_void_p, ctypes.c_int, returns=ctypes.c_char_p)
        real = [one for one in devices[: count.value] if b"software" not in (says(one, _EXTENSIONS) or b"")]
        if not real:
            raise Missing("there is no GPU here: EGL knows software devices only")
        shown = egl.eglGetPlatformDisplay(_PLATFORM_DEVICE, ctypes.c_void_p(real[0]), None)
        self._display = ctypes.c_void_p(shown)
        if not shown or not egl.eglInitialize(self._display, None, None):
            raise Missing("there is no GPU here: eglInitialize failed")
        egl.eglBindAPI(_OPENGL_API)
        wanted = (ctypes.c_int * 5)(_RENDERABLE, _OPENGL_BIT, _SURFACE, _PBUFFER, _NONE)
        self._config = ctypes.c_void_p()
        if not egl.eglChooseConfig(self._display, wanted, ctypes.byref(self._config), 1, ctypes.byref(count)):
            raise Missing("there is no GPU here: EGL knows no configuration for OpenGL")

    def cycle(self, lose: bool) -> None:
        egl = self._egl
        context = ctypes.c_void_p(egl.eglCreateContext(self._display, self._config, None, None))
        if not context or not egl.eglMakeCurrent(self._display, _NO_SURFACE, _NO_SURFACE, context):
            raise RuntimeError("no context could be made")
        names = (ctypes.c_uint * 2)()
        self._function("glGenRenderbuffers", ctypes.c_int, ctypes.c_void_p)(2, names)
        for name in names:
            self._draw(name)
        self._function("glFinish")()
        egl.eglMakeCurrent(self._display, _NO_SURFACE, _NO_SURFACE, None)
        if not lose:
            egl.eglDestroyContext(self._display, context)

    def close(self) -> None:
        self._egl.eglTerminate(self._display)

    def _draw(self, name: int) -> None:
        """Memory of the GPU is taken when something is drawn."""
        four = [ctypes.c_uint] * 4
        frame = ctypes.c_uint()
        self._function("glBindRenderbuffer", *four[:2])(_RENDERBUFFER, name)
        self._function("glRenderbufferStorage", *four)(_RENDERBUFFER, _RGBA8, 3840, 2160)
        self._function("glGenFramebuffers", ctypes.c_int, ctypes.c_void_p)(1, ctypes.byref(frame))
        self._function("glBindFramebuffer", *four[:2])(_FRAMEBUFFER, frame)
        self._function("glFramebufferRenderbuffer", *four)(_FRAMEBUFFER, _COLOR, _RENDERBUFFER, name)
        self._function("glClear", *four[:1])(_COLOR_BIT)

    def _function(self, name: str, *types: Any, returns: Any = ctypes.c_uint) -> Callable[..., Any]:
        return ctypes.CFUNCTYPE(returns, *types)(self._egl.eglGetProcAddress(name.encode()))


KINDS: dict[str, Callable[[int], Kind]] = {
    "cuda-memory": CudaMemory,
    "cuda-context": CudaContexts,
    "cuda-stream": CudaStreams,
    "egl-context": GlContexts,
}
