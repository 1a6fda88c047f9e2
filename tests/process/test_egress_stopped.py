"""An egress worker that was stopped for longer than any viewer may be silent goes on with all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from steadycast.tracking import proc
from tests.support.bus_packets import AUDIO
from tests.support.egress_house import DEADLINE_S, KEY, houses
from tests.support.rtsp_viewer import RtspViewer
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process

SILENCE_S = 2.4
STOPPED_S = 3.6
LATER_S = 0.8  # from the worker's going on until its viewers say something: all its looks at the time come before


async def test_viewers_stay_when_the_worker_was_stopped(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(
            egress={"viewer_silence_s": SILENCE_S, "viewer_stalled_s": SILENCE_S}, workers={"silence_s": DEADLINE_S}
        )
        await house.begin()
        egress, desk = house.egress, house.desk
        sound, theirs = socket.socketpair()
        with RtspViewer(house.url, DEADLINE_S) as player, sound:
            await asyncio.to_thread(player.play)
            await egress.open_bus("lobby/audio", "epoch", AUDIO, "sound", theirs.detach())
            browser = LightViewer()
            await browser.start(await egress.offer("v_1", (KEY, "lobby/audio"), browser.offer()))
            await house.until(lambda: browser.packets and desk.connected_viewers)
            await asyncio.to_thread(player.ask, "OPTIONS", house.url)
            browser._send(browser.check(nominate=False))
            os.kill(egress.worker.pid, signal.SIGSTOP)
            await house.until(lambda: stopped(egress.worker.pid))
            await asyncio.sleep(STOPPED_S)  # the length of the stop is what is tested
            os.kill(egress.worker.pid, signal.SIGCONT)
            await asyncio.sleep(LATER_S)
            browser._send(browser.check(nominate=False))
            await asyncio.to_thread(player.ask, "OPTIONS", house.url)
            came = browser.came
            await house.until(lambda: browser.came > came + 20)
            await asyncio.to_thread(player.receive_frames, 20, 0, DEADLINE_S)
            assert len(desk.viewers) == 1 and desk.reasons == {}
            # One that is really silent is still found out.
            browser.vanish()
            await house.until(lambda: desk.reasons == {"v_1": "it stopped answering"})
        await house.end()


def stopped(pid: int) -> bool:
    one = proc.stat(pid)
    return one is not None and one.state == "T"
