"""Health probes: each is asked again and again, never twice at once, each with its deadline."""

from __future__ import annotations

import asyncio
import re
import ssl

from steadycast.patience import patience
from steadycast.watching.common.running import run
from steadycast.watching.guard.answers import Answer, failed_to_connect
from steadycast.watching.guard.facts import Act, Health
from steadycast.watching.guard.policy_probes import CommandHealth, HealthProbe, HttpHealth, RtspHealth
from steadycast.watching.guard.rtsp import RtspError, RtspLoginError, watch_stream
from steadycast.watching.guard.web import NoAnswerError, get

SHOWN = 300  # characters of an answer


async def ask(probe: HealthProbe, environment: dict[str, str]) -> Answer:
    """Ask once; always answers, at the deadline at the latest."""
    if isinstance(probe, CommandHealth):
        return await _ask_command(probe, environment)
    try:
        async with patience(probe.deadline_s):
            return await (_ask_http(probe) if isinstance(probe, HttpHealth) else _ask_rtsp(probe))
    except TimeoutError:
        return Answer(False, f"no answer within {probe.deadline_s:g} s")
    except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
        return Answer(False, "it closed the connection")
    except NoAnswerError as error:
        return Answer(False, str(error))
    except ssl.SSLCertVerificationError as error:
        return Answer(None, f"it could not be asked: {error.verify_message}")
    except OSError as error:
        return failed_to_connect(error)


async def _ask_command(probe: CommandHealth, environment: dict[str, str]) -> Answer:
    ran = await run(probe.command, probe.deadline_s, environment)
    if ran.ok:
        return Answer(True, "it exited with 0")
    if ran.late:
        return Answer(False, f"no answer within {probe.deadline_s:g} s")
    if ran.code is None or ran.code < 0 or ran.code in probe.unknown_codes:  # a signal is somebody else's doing
        return Answer(None, f"it could not ask: {ran.words()}")
    return Answer(False, ran.words())


async def _ask_http(probe: HttpHealth) -> Answer:
    got = await get(probe.url, probe.socket)
    low, high = probe.status
    if not low <= got.status <= high:
        return Answer(False, f"status {got.status} is not in {low} to {high}")
    if probe.pattern is not None and re.search(probe.pattern, got.body) is None:
        return Answer(False, "the answer does not hold the pattern")
    return Answer(True, f"status {got.status}")


async def _ask_rtsp(probe: RtspHealth) -> Answer:
    try:
        seen = await watch_stream(probe.url, probe.frames, probe.deadline_s)
    except RtspLoginError as error:
        return Answer(None, f"it could not be asked: {error}")
    except RtspError as error:
        return Answer(False, str(error))
    return Answer(seen.moves, seen.words())


class HealthWatch:
    """One probe and its answers in this life of the server."""

    def __init__(self, probe: HealthProbe, environment: dict[str, str]) -> None:
        self.probe = probe
        self.asked = 0
        self.unknown = 0
        self._environment = environment
        self._life = 0
        self._state = Health(probe.name, Act(probe.act), None, 0, probe.failures, False, "not asked yet")

    @property
    def health(self) -> Health:
        return self._state

    def begin(self) -> None:
        """Another life: what the one before answered does not count, nor what is asked of it now."""
        self._life += 1
        probe = self.probe
        self._state = Health(probe.name, Act(probe.act), None, 0, probe.failures, False, "not asked yet")

    async def ask(self) -> tuple[Health, Health]:
        """Ask once: the state before and after."""
        life, before = self._life, self._state
        answer = await ask(self.probe, self._environment)
        self.asked += 1
        if life == self._life:
            self._state = heard(self._state, answer)
            self.unknown += answer.ok is None
        return before, self._state


def heard(state: Health, answer: Answer) -> Health:
    """The state after an answer. Pure. "Cannot tell" neither adds to the failures in a row nor ends them."""
    failures = {True: 0, False: state.failures + 1, None: state.failures}[answer.ok]
    was_good = state.was_good or answer.ok is True
    return Health(state.name, state.act, answer.ok, failures, state.allowed, was_good, answer.text[:SHOWN])
