"""Belief by trial: whether an encoder works is found out by a throw-away child that opens it and encodes on it.

One trial at a time, since a trial holds one of the sessions that are scarce.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from steadycast.errors import RefusedError, WorkerError
from steadycast.model import Codec, EncoderFault, EncoderOrder
from steadycast.workers.codec import to_plain
from steadycast.workers.launch import environment
from steadycast.workers.throwaway import Ending, ask

CHILD = (sys.executable, "-P", "-m", "steadycast.workers.trial_child")
TRIAL_S = 15.0  # a child on a busy machine starts in 2 s, a driver opens in 1, ten small frames are nothing
CALIBRATE_S = 20.0  # two encodes of 0.8 s each, pictures made before them, on a machine that does other things as well
CALIBRATED = (Codec.H265, Codec.AV1, Codec.VP8, Codec.VP9)  # after H.264, against which they are measured


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How a trial went; what is not known is None.

    `what` and `why` are for a person. `memory` is the caps feature at the encoder's input. `pixels_per_s` is by the
    clock and includes everything, so it only tells a slow encoder from a fast one. `gstreamer` is its version: with
    another one the result says nothing.
    """

    ok: bool
    fault: EncoderFault | None = None
    what: str | None = None
    why: str | None = None
    element: str | None = None
    memory: str | None = None
    took_s: float = 0.0
    pixels_per_s: float | None = None
    gstreamer: str | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the CPU of this machine can encode: H.264 pixels a second on all CPUs that this process may use.

    `factors` say how many times as much a pixel of another codec costs, for those whose encoder is here. `cpus` may be
    a part of one (a quota). `cpu` is the processor's name.
    """

    pixels_per_s: float
    factors: dict[Codec, float] = field(default_factory=dict)
    gstreamer: str = ""
    cpu: str = ""
    cpus: float = 1.0


class Trials:
    """Runs the child. `extra` is added to its environment: the registry that workers use, say."""

    def __init__(
        self,
        extra: Mapping[str, str] | None = None,
        command: tuple[str, ...] = CHILD,
        trial_s: float = TRIAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._extra = dict(extra or {})
        self._command = command
        self._trial_s = trial_s
        self._clock = clock
        self._one = asyncio.Lock()
        self._running: asyncio.Task[Ending] | None = None
        self._closed = False

    async def trial(self, order: EncoderOrder) -> TrialResult:
        """Open this encoder and encode some frames. Raises RefusedError only where `close` was called."""
        async with self._one:
            began = self._clock()
            ending = await self._ask("trial", {"order": to_plain(order)}, self._trial_s)
            return judge_trial(ending, self._clock() - began)

    async def calibrate(self) -> Calibration:
        """Measure the CPU, each codec in a child of its own, since encoders abort. A codec that does not work has no
        factor. Raises WorkerError where H.264 does not, RefusedError where `close` was called."""
        h264 = await self._measure(Codec.H264)
        return judge_calibration(h264, {codec: await self._measure(codec) for codec in CALIBRATED})

    async def _measure(self, codec: Codec) -> Ending:
        async with self._one:  # trials that wait come between
            return await self._ask("calibrate", {"codec": codec.value}, CALIBRATE_S)

    async def close(self) -> None:
        """End a trial that runs; who waits for it gets a RefusedError."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _ask(self, task: str, question: dict[str, Any], deadline_s: float) -> Ending:
        if self._closed:
            raise RefusedError("trial.closed", "no more encoders are tried: the host ends")
        child = ask(
            (*self._command, task), deadline_s, json.dumps(question).encode(), environment(os.environ, self._extra)
        )
        return await self._ended_by_close(child)

    async def _ended_by_close(self, asking: Coroutine[Any, Any, Ending]) -> Ending:
        task = self._running = asyncio.create_task(asking)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self._running = None
        if task.cancelled():
            raise RefusedError("trial.closed", "the trial was ended: the host ends")
        return task.result()


def judge_trial(ending: Ending, took_s: float) -> TrialResult:
    """What a trial's child told, or how it died. Pure."""
    told = ending.told
    element, memory = _text(told.get("element")), _text(told.get("memory"))
    gstreamer, speed = _text(told.get("gstreamer")), _number(told.get("pixels_per_s"))
    if ending.hung:
        what = "the encoder did not answer"
        return TrialResult(False, EncoderFault.HUNG, what, ending.why, took_s=took_s)
    if ending.why is None:
        return TrialResult(True, None, None, None, element, memory, took_s, speed, gstreamer)
    if ending.code is not None and ending.code < 0:  # whatever it told before, it was not the end
        what = "the process that tried the encoder died"
        return TrialResult(False, EncoderFault.FAILED, what, ending.why, element, memory, took_s, None, gstreamer)
    fault, what = _fault(told.get("fault")), _text(told.get("what")) or "the encoder could not be tried"
    why = _text(told.get("why")) if told.get("what") else ending.why
    return TrialResult(False, fault, what, why, element, memory, took_s, None, gstreamer)


def judge_calibration(h264: Ending, others: Mapping[Codec, Ending]) -> Calibration:
    """What the children measured. Pure. Raises WorkerError."""
    large, small = _number(h264.told.get("large")), _number(h264.told.get("small"))
    cpus = _number(h264.told.get("cpus"))
    if h264.why is not None or large is None or small is None or cpus is None:
        why = h264.why or "the child told no speed"
        raise WorkerError("cpu.calibration", "what the CPU can encode could not be measured", why=why)
    factors = {Codec.H264: 1.0}
    for codec, ending in others.items():
        found = _number(ending.told.get("small"))
        if ending.why is None and found is not None:
            factors[codec] = round(found / small, 2)
    told = h264.told
    return Calibration(
        round(cpus / large), factors, _text(told.get("gstreamer")) or "", _text(told.get("cpu")) or "", cpus
    )


def _fault(value: Any) -> EncoderFault:
    try:
        return EncoderFault(value)
    except ValueError:
        return EncoderFault.FAILED


def _text(value: Any) -> str | None:
    return value[:2000] if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < float("inf") else None
