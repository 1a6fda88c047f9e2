"""Windows by ctypes: PDH, psapi, user32 and DXGI. Import it on Windows only. NOT RUN ON REAL HARDWARE.

Structures and numbers: pdh.h, pdhmsg.h, psapi.h, dxgi1_4.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from steadycast.tracking.probes.windows import VideoMemory, WindowsError

_DOUBLE = 0x200  # PDH_FMT_DOUBLE
_NO_CAP = 0x8000  # PDH_FMT_NOCAP100
_MORE = 0x800007D2  # PDH_MORE_DATA
_EMPTY = (0x800007D5, 0xC0000BB8)  # PDH_NO_DATA, PDH_CSTATUS_NO_OBJECT
_QUERY_LIMITED, _QUERY, _READ = 0x1000, 0x400, 0x10
_SNAP_THREADS = 0x4
_ADAPTERS = 16
_FACTORY1 = UUID("770aae78-f26f-4dba-a829-253c83d1b387").bytes_le
_ADAPTER3 = UUID("645967a4-1392-4310-a798-8053ce3e93fd").bytes_le


class _Item(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE_ITEM_W with a double."""

    _fields_ = (("name", ctypes.c_wchar_p), ("status", ctypes.c_uint32), ("value", ctypes.c_double))


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS_EX."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("quotas", ctypes.c_size_t * 4),
        ("pagefile", ctypes.c_size_t),
        ("peak_pagefile", ctypes.c_size_t),
        ("private", ctypes.c_size_t),
    )


class _Thread(ctypes.Structure):
    """THREADENTRY32."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("usage", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("priority", ctypes.c_int32),
        ("delta", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    )


class _Description(ctypes.Structure):
    """DXGI_ADAPTER_DESC1."""

    _fields_ = (
        ("text", ctypes.c_wchar * 128),
        ("ids", ctypes.c_uint32 * 4),
        ("memory", ctypes.c_size_t * 3),
        ("luid_low", ctypes.c_uint32),
        ("luid_high", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    )


class _Info(ctypes.Structure):
    """DXGI_QUERY_VIDEO_MEMORY_INFO."""

    _fields_ = (
        ("budget", ctypes.c_uint64),
        ("used", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("reserved", ctypes.c_uint64),
    )


class CtypesCalls:
    """Implements WindowsCalls. A query of counters stays open: a rate is known from its second look on."""

    def __init__(self) -> None:
        load = getattr(ctypes, "WinDLL", None)
        if load is None:
            raise OSError("this is not Windows")
        self._pdh, self._kernel, self._user = load("pdh.dll"), load("kernel32.dll"), load("user32.dll")
        self._dxgi = load("dxgi.dll")
        self._kernel.OpenProcess.restype = self._kernel.CreateToolhelp32Snapshot.restype = ctypes.c_void_p
        self._queries: dict[str, tuple[ctypes.c_void_p, ctypes.c_void_p]] = {}

    def counters(self, path: str) -> Sequence[tuple[str, float]]:
        if path not in self._queries:
            query, counter = ctypes.c_void_p(), ctypes.c_void_p()
            _check(self._pdh.PdhOpenQueryW(None, 0, ctypes.byref(query)), "PdhOpenQuery")
            code = self._pdh.PdhAddEnglishCounterW(query, ctypes.c_wchar_p(path), 0, ctypes.byref(counter))
            if code & 0xFFFFFFFF:
                self._pdh.PdhCloseQuery(query)
                _check(code, f"no counter {path}")
            self._queries[path] = (query, counter)
        query, counter = self._queries[path]
        code = self._pdh.PdhCollectQueryData(query) & 0xFFFFFFFF
        if code in _EMPTY:
            return ()
        _check(code, "PdhCollectQueryData")
        return self._array(counter)

    def private_bytes(self, pid: int) -> int:
        return int(self._memory(pid).private)

    def working_set(self, pid: int) -> int:
        return int(self._memory(pid).working_set)

    def handles(self, pid: int) -> int:
        count = ctypes.c_uint32()
        with self._process(pid, _QUERY_LIMITED) as handle:
            if not self._kernel.GetProcessHandleCount(handle, ctypes.byref(count)):
                raise self._error("GetProcessHandleCount")
        return count.value

    def gui_handles(self, pid: int) -> tuple[int, int]:
        with self._process(pid, _QUERY) as handle:
            return self._user.GetGuiResources(handle, 0), self._user.GetGuiResources(handle, 1)

    def threads(self, pid: int) -> int:
        snapshot = ctypes.c_void_p(self._kernel.CreateToolhelp32Snapshot(_SNAP_THREADS, 0))
        if snapshot.value in (None, ctypes.c_void_p(-1).value):
            raise self._error("CreateToolhelp32Snapshot")
        entry, found = _Thread(size=ctypes.sizeof(_Thread)), 0
        try:
            more = self._kernel.Thread32First(snapshot, ctypes.byref(entry))
            while more:
                found += entry.pid == pid
                more = self._kernel.Thread32Next(snapshot, ctypes.byref(entry))
        finally:
            self._kernel.CloseHandle(snapshot)
        return found

    def own_video_memory(self) -> Sequence[VideoMemory]:
        factory = ctypes.c_void_p()
        identity = (ctypes.c_ubyte * 16)(*_FACTORY1)
        _check(self._dxgi.CreateDXGIFactory1(ctypes.byref(identity), ctypes.byref(factory)), "CreateDXGIFactory1")
        found = []
        try:
            for number in range(_ADAPTERS):
                adapter = ctypes.c_void_p()
                # IDXGIFactory1::EnumAdapters1
                if _method(factory, 12, ctypes.c_uint32, ctypes.c_void_p)(number, ctypes.byref(adapter)) < 0:
                    break
                try:
                    if (one := _local_memory(adapter)) is not None:
                        found.append(one)
                finally:
                    _release(adapter)
        finally:
            _release(factory)
        return found

    def _array(self, counter: ctypes.c_void_p) -> Sequence[tuple[str, float]]:
        """The instances may grow between the two calls that the size takes."""
        for _ in range(3):
            size, count = ctypes.c_uint32(), ctypes.c_uint32()
            arguments = (counter, _DOUBLE | _NO_CAP, ctypes.byref(size), ctypes.byref(count))
            code = self._pdh.PdhGetFormattedCounterArrayW(*arguments, None) & 0xFFFFFFFF
            if code in _EMPTY or (code == 0 and not size.value):
                return ()
            if code != _MORE:
                _check(code, "PdhGetFormattedCounterArray")
            buffer = ctypes.create_string_buffer(size.value)
            code = self._pdh.PdhGetFormattedCounterArrayW(*arguments, buffer) & 0xFFFFFFFF
            if code == _MORE:
                continue
            _check(code, "PdhGetFormattedCounterArray")
            items = ctypes.cast(buffer, ctypes.POINTER(_Item))
            return [(items[n].name, items[n].value) for n in range(count.value) if items[n].status in (0, 1)]
        raise WindowsError(_MORE, "the counters grow faster than they can be read")

    def _memory(self, pid: int) -> _Counters:
        counters = _Counters(size=ctypes.sizeof(_Counters))
        with self._process(pid, _QUERY_LIMITED | _READ) as handle:
            if not self._kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.size):
                raise self._error("GetProcessMemoryInfo")
        return counters

    @contextmanager
    def _process(self, pid: int, rights: int) -> Iterator[ctypes.c_void_p]:
        handle = ctypes.c_void_p(self._kernel.OpenProcess(rights, False, pid))
        if not handle.value:
            raise self._error("OpenProcess")
        try:
            yield handle
        finally:
            self._kernel.CloseHandle(handle)

    def _error(self, what: str) -> WindowsError:
        code = int(self._kernel.GetLastError())
        return WindowsError(code, f"{what} failed with {code}")


def _check(code: int, what: str) -> None:
    if code & 0xFFFFFFFF:
        raise WindowsError(code & 0xFFFFFFFF, f"{what}: 0x{code & 0xFFFFFFFF:08X}")


def _method(thing: ctypes.c_void_p, slot: int, *types: Any) -> Callable[..., int]:
    """A method of a COM object by its place in the table."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *types)
    bound = prototype(table[slot] or 0)
    return lambda *arguments: int(bound(thing, *arguments))


def _release(thing: ctypes.c_void_p) -> None:
    if thing.value:
        _method(thing, 2)()


def _local_memory(adapter: ctypes.c_void_p) -> VideoMemory | None:
    """IDXGIAdapter1::GetDesc1 is in place 10, IDXGIAdapter3::QueryVideoMemoryInfo in 14."""
    description, info, third = _Description(), _Info(), ctypes.c_void_p()
    if _method(adapter, 10, ctypes.c_void_p)(ctypes.byref(description)) < 0:
        return None
    identity = (ctypes.c_ubyte * 16)(*_ADAPTER3)
    if _method(adapter, 0, ctypes.c_void_p, ctypes.c_void_p)(ctypes.byref(identity), ctypes.byref(third)) < 0:
        return None
    try:
        query = _method(third, 14, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)
        if query(0, 0, ctypes.byref(info)) < 0:
            return None
    finally:
        _release(third)
    name = f"luid_0x{description.luid_high & 0xFFFFFFFF:08x}_0x{description.luid_low:08x}_phys_0"
    return VideoMemory(name, info.budget, info.used)
