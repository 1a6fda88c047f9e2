"""The breaker of one lobby: decides with `retry` whether it is started again, and asks for proof that it shows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import SteadycastError
from steadycast.lobbies.diary import Diary
from steadycast.lobbies.failure import Failure
from steadycast.lobbies.retry import Loss, Past, RetryPolicy, after_loss
from steadycast.lobbies.stage import Stage
from steadycast.workers.messages import ProveKeyframe

log = structlog.get_logger("lobby")

PROVE_S = 3.0  # from streaming again until it is asked for; then after growing waits, as long as it streams
PROVE_LONGEST_S = 60.0
KEYFRAME_S = 10.0  # for a keyframe to come: a camera makes them when it likes
ANSWER_S = 6.0  # more, for it to be decoded and told


class Breaker:
    """Lets a lobby be started again until its budget is used up. Reset by a decoded keyframe, or by a person."""

    def __init__(self, lobby: str, settings: HostSettings, diary: Diary) -> None:
        self._lobby = lobby
        self._settings = settings
        self._diary = diary
        self._past = diary.breaker.past  # a former host counted it

    def lost(self, loss: Loss) -> tuple[Failure, float | None]:
        """What is to be said of a loss, and in how many seconds it is tried again (None: not by itself)."""
        now = time.monotonic()
        workers = self._settings.workers
        policy = RetryPolicy(self._settings.sources.rtsp_backoff_s, workers.restarts, workers.restart_window_s)
        retry = after_loss(loss, self._past, policy, now, random.random())
        self._past = retry.past
        wait = None if retry.at is None else max(0.0, retry.at - now)
        at = None if wait is None else time.time() + wait
        failure = Failure(loss, at, retry.why, self._lobby, retry.latched)
        self._diary.counted(self._past, failure if retry.latched else None)
        return failure, wait

    def reset(self) -> None:
        """A person takes it on: nothing counts any more."""
        self._past = Past()
        self._diary.counted(self._past)

    async def prove(self, stage: Callable[[], Stage | None]) -> None:
        """While a lobby on probation streams, ask its worker for a decoded keyframe until there is one.

        `stage` is what it streams from now. Cancel it when that is lost.
        """
        wait = PROVE_S
        while self._past.on_probation:
            await asyncio.sleep(wait)
            wait = min(2 * wait, PROVE_LONGEST_S)
            asked = stage()
            if asked is None or not asked.works:
                continue
            why = await _why_not(asked)
            if why is None:
                self._past = self._past.proved(time.monotonic())
                self._diary.counted(self._past)
            log.info("picture decoded" if why is None else "no picture decoded", lobby=self._lobby, why=why)


async def _why_not(stage: Stage) -> str | None:
    """None where a keyframe was decoded."""
    try:
        answer = await stage.worker.request(ProveKeyframe(KEYFRAME_S), deadline=KEYFRAME_S + ANSWER_S)
    except SteadycastError as error:
        return error.what
    return None if answer.get("decoded") is True else str(answer.get("why"))
