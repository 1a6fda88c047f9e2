"""One track on its way to one RTSP viewer: where it begins, what a slow viewer is not sent, and its reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from steadycast.egress.core import rtcp
from steadycast.egress.core.budget import Budget
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.outlet import REPLAY_BYTES, compress
from steadycast.egress.core.track import Track
from steadycast.egress.fanout import Fanout
from steadycast.egress.rtsp.frames import FrameForms, NewestFrames
from steadycast.egress.rtsp.lanes import Lane

REPORT_S = 2.0  # between sender reports of a track
REPLAY_STEP_S = 0.001  # between the frames of a replay
# The first viewer of a track comes before its bus has brought the group of pictures so far, all at once. It is looked
# at this often, until no more comes than time passes.
SETTLE_S = 0.03
SETTLE_LOOKS = 30
LIVE_AHEAD_S = 0.13  # a look and the duration of a frame

TOO_SLOW = "it could not keep up with the stream"


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """What a feed needs besides its track: where it comes from, how it travels, who is told of its end."""

    fanout: Fanout
    newest: NewestFrames
    budget_bytes: int
    stalled_s: float
    cname: str
    on_end: Callable[[str], None]  # with the reason; called at most once


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first packet that will be sent. What is not known yet (it waits for a keyframe) is None.

    `timestamp` is as in the packet; `moment` is the same in Unix seconds.
    """

    sequence: int | None
    timestamp: int | None = None
    moment: float | None = None


class TrackFeed:
    """A subscriber of one track that sends its frames down one lane, under the track's shared numbers."""

    def __init__(self, key: str, lane: Lane, plan: FeedPlan) -> None:
        self.key = key
        self.lane = lane
        self.packets = 0
        self.octets = 0
        self.skipped = 0  # frames that the viewer did not get
        self._plan = plan
        self._budget = Budget(plan.budget_bytes, plan.stalled_s)
        self._track: Track | None = None
        self._live = False
        self._last: Frame | None = None
        self._replay: FrameForms | None = None
        self._reported = 0.0
        self._fresh = False  # the track has no frame yet
        self._settling: asyncio.TimerHandle | None = None
        self._from = 0  # index of the first packet that was not in a replay

    def prepare(self, now: float) -> Beginning:
        """Subscribe, and say with which packet it will begin. `begin` must follow before the loop goes on.

        Raises NotFoundError if there is no such track any more.
        """
        track = self._track = self._plan.fanout.subscribe(self.key, self)
        self._reported = 0.0
        if track.instant:
            self._live = True
            latest = track.latest
            return Beginning(None if latest is None else (latest.next_index + track.shared.sequence_base) & 0xFFFF)
        beginning = self._prepare_replay(track, now)
        self._fresh = track.latest is None
        return beginning

    def _prepare_replay(self, track: Track, now: float) -> Beginning:
        """The group of pictures so far, or the wish for a keyframe where it is none or too large."""
        frames = track.gop(min(REPLAY_BYTES, self._plan.budget_bytes))
        self._live = bool(frames)
        self._from = track.next_index
        if not frames:
            track.want_keyframe(now)
            return Beginning(None)
        return self._plan_replay(track, frames)

    def _settle(self, stamp: int, looks: int) -> None:
        """Begin, unless frames since the one of `stamp` came faster than they are shown."""
        self._settling = None
        track = self._track
        if track is None or track.latest is None:
            return
        ahead = (track.latest.timestamp - stamp) / track.info.clock_rate
        loop = asyncio.get_running_loop()
        if ahead > LIVE_AHEAD_S and looks > 0:
            self._settling = loop.call_later(SETTLE_S, self._settle, track.latest.timestamp, looks - 1)
            return
        self._fresh = False
        self._prepare_replay(track, loop.time())
        self.begin(loop.time())

    def _plan_replay(self, track: Track, frames: list[Frame]) -> Beginning:
        rate, first = track.info.clock_rate, frames[0]
        stamps = compress(frames, max(1, int(rate * REPLAY_STEP_S)))
        built = track.shared.replay(frames, stamps)
        # In one piece, which a port sends no faster than an ordinary client can take it.
        joined = [packet for packets in built for packet in packets]
        self._replay = FrameForms(joined, sum(frame.size for frame in frames))
        self._last = frames[-1]
        moment = first.wall + (stamps[0] - first.timestamp) / rate
        stamp = (stamps[0] + track.shared.timestamp_base) & 0xFFFFFFFF
        return Beginning(track.shared.sequence(first), stamp, moment)

    def timestamp_at(self, moment: float) -> int | None:
        """The track's RTP timestamp of a moment in Unix seconds; None before its first frame."""
        latest = None if self._track is None else self._track.latest
        if self._track is None or latest is None:
            return None
        ahead = round((moment - latest.wall) * self._track.info.clock_rate)
        return (self._track.shared.timestamp(latest) + ahead) & 0xFFFFFFFF

    @property
    def newest_moment(self) -> float | None:
        """When the track's newest frame was, in Unix seconds."""
        latest = None if self._track is None else self._track.latest
        return None if latest is None else latest.wall

    @property
    def ssrc(self) -> int | None:
        return None if self._track is None else self._track.shared.ssrc

    def begin(self, now: float) -> None:
        """Send what `prepare` promised."""
        replay, self._replay = self._replay, None
        if replay is not None:
            self._send(replay)
            self.report(now)

    def deliver(self, track: Track, frame: Frame, now: float) -> None:
        """A new frame of the track: sent, or left out until the next keyframe if too much is unsent already."""
        if frame.index < self._from:
            return
        if self._fresh:
            if self._settling is None:
                loop = asyncio.get_running_loop()
                self._settling = loop.call_later(SETTLE_S, self._settle, frame.timestamp, SETTLE_LOOKS)
            return
        if self._budget.over(self.lane.queued(), now):
            self._live = False
            self.skipped += 1
            if self._budget.stalled:
                self._plan.on_end(TOO_SLOW)
            return
        if not self._live and not (frame.keyframe or track.instant):
            self.skipped += 1
            track.want_keyframe(now)
            return
        self._live = True
        self._last = frame
        self._send(self._plan.newest.forms(track, frame))
        self.report_if_due(now)

    def _send(self, forms: FrameForms) -> None:
        if self.lane.send(forms):
            self.packets += len(forms.packets)
            self.octets += forms.octets
        else:
            self._live = False
            self.skipped += 1

    def report(self, now: float) -> None:
        """Send a sender report, if anything was sent."""
        track, last = self._track, self._last
        if track is None or last is None:
            return
        self._reported = now
        info = track.shared.report(last, (self.packets, self.octets), now, track.info.clock_rate)
        self.lane.control(rtcp.compound(info, self._plan.cname))

    def report_if_due(self, now: float) -> None:
        if now - self._reported >= REPORT_S:
            self.report(now)

    def heard(self, data: bytes, now: float) -> None:
        """RTCP of the client: a wish for a keyframe is passed on."""
        track = self._track
        if track is not None and any(isinstance(said, rtcp.KeyframeRequest) for said in rtcp.parse(data)):
            track.want_keyframe(now)

    def track_closed(self, track: Track, reason: str) -> None:
        """The track is gone, and with it the viewer."""
        self._plan.on_end(reason)

    def pause(self) -> None:
        """Send nothing until `prepare` and `begin`."""
        self._plan.fanout.unsubscribe(self.key, self)
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._live = self._fresh = False
        self._replay = None

    def end(self) -> None:
        """Send BYE if anything was sent, and let go of the lane."""
        self.pause()
        if self._last is not None and self.ssrc is not None:
            self.lane.control(rtcp.bye((self.ssrc,), self._plan.cname))
        self._track = self._last = None
        self.lane.close()
