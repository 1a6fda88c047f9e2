"""Answers the requests of one connection: what it may see, its session, and what the world keeps open for it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from steadycast.egress.core.track import Track
from steadycast.egress.events import Description
from steadycast.egress.rtsp.address import Address, parse_address
from steadycast.egress.rtsp.answer import PUBLIC, Answer, refuse, refuse_error
from steadycast.egress.rtsp.describe import Described, session_description
from steadycast.egress.rtsp.digest import DigestLogin
from steadycast.egress.rtsp.parts import ServerParts
from steadycast.egress.rtsp.playback import Client, Hold, Playback
from steadycast.egress.rtsp.protocol import KNOWN_ELSEWHERE, METHODS, Request
from steadycast.egress.rtsp.session import State, named_session, refusal, track_for_setup
from steadycast.egress.rtsp.transport import choose_transport
from steadycast.errors import DeadlineError, NotFoundError, RefusedError, SteadycastError, WorkerError
from steadycast.patience import patience

log = logging.getLogger("rtsp")

LEFT = "it left"


class Dialogue:
    """One client's requests, one after the other. `on_end` hears when the stream ends the session (and why)."""

    def __init__(self, parts: ServerParts, client: Client, host: str, on_end: Callable[[str], None]) -> None:
        self.playback: Playback | None = None
        self._parts = parts
        self._client = client
        self._host = host  # the server's own address, as the client reached it
        self._on_end = on_end
        self._login = DigestLogin(parts.options.digest, parts.options.realm)
        self._hold: Hold | None = None
        self._asking: str | None = None  # the name of a hold that is being opened
        self._closed = False
        self._methods: dict[str, Callable[[Request, Address], Awaitable[Answer]]] = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
        }

    @property
    def holds_something(self) -> bool:
        """Whether tracks are kept open for this client."""
        return self._hold is not None or self.playback is not None

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is kept open: of the session, and of a later description."""
        session = None if self.playback is None else self.playback.hold
        later = None if self._hold is session else self._hold
        return tuple(hold for hold in (session, later) if hold is not None)

    @property
    def session_header(self) -> str | None:
        """The Session header of answers: the client must give a sign of life within this many seconds."""
        if self.playback is None:
            return None
        return f"{self.playback.session.id};timeout={max(1, int(self._parts.options.viewer_silence_s))}"

    async def answer(self, request: Request) -> Answer:
        """The answer to a request. Never raises for what a client sends."""
        early = self._look(request)
        if early is not None:
            return early
        address = parse_address(request.url)
        assert address is not None
        act = self._methods.get(request.method)
        if act is None:
            return self._without_effect(request)
        try:
            return await act(request, address)
        except SteadycastError as error:
            log.info("%s of %s refused: %s %s", request.method, self._client.remote, error.code, error.what)
            return refuse_error(error)

    def _look(self, request: Request) -> Answer | None:
        """What can be said before anything is done; None: go on."""
        if request.cseq is None:
            return refuse(400, "CSeq is missing or no number")
        if request.method not in METHODS:
            known = request.method in KNOWN_ELSEWHERE
            return refuse(405 if known else 501, None, ("Allow" if known else "Public", PUBLIC))
        if wanted := request.headers.get("require") or request.headers.get("proxy-require"):
            return refuse(551, None, ("Unsupported", wanted))
        address = parse_address(request.url)
        if address is None:
            return refuse(400, "the address makes no sense")
        if request.method == "OPTIONS" and "session" not in request.headers:
            return None
        verdict = self._login.check(request, asyncio.get_running_loop().time())
        if not verdict.allowed:
            self._parts.counters.logins_refused += 1
            return refuse(401, None, *(("WWW-Authenticate", challenge) for challenge in verdict.challenges))
        session = None if self.playback is None else self.playback.session
        status = refusal(request.method, named_session(request.headers.get("session")), address, session)
        return None if status is None else refuse(status)

    def _without_effect(self, request: Request) -> Answer:
        """OPTIONS, and parameters, of which there are none: keep-alive."""
        if request.method == "OPTIONS":
            return Answer(headers=(("Public", PUBLIC),))
        return refuse(451, "there are no parameters") if request.body.strip() else Answer()

    async def _describe(self, request: Request, address: Address) -> Answer:
        accept = request.headers.get("accept", "application/sdp").lower()
        if "application/sdp" not in accept and "*/*" not in accept:
            return refuse(406, "descriptions are application/sdp")
        hold = await self._open(address.path)
        tracks = [
            Described(self._track(hold.description, index).shared.payload_type, track.info)
            for index, track in enumerate(hold.description.tracks)
        ]
        body = session_description(hold.description.name, tracks, self._host, secrets.randbits(31))
        headers = (("Content-Base", f"{self._base(address)}/"), ("Content-Type", "application/sdp"))
        return Answer(headers=headers, body=body)

    def _base(self, address: Address) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return address.base if address.base.startswith("rtsp://") else f"rtsp://{host}{address.base}"

    def _track(self, description: Description, index: int) -> Track:
        track = self._parts.fanout.track(description.tracks[index].key)
        if track is None:
            raise RefusedError("track.closed", "the lobby is just being changed", retry_after=1)
        return track

    async def _open(self, path: str) -> Hold:
        """The tracks of a path, kept open until the connection ends or asks for something else."""
        if not path:
            raise NotFoundError("lobby.unknown", "the address names no lobby", hint="rtsp://host:port/{lobby}")
        name = self._asking = secrets.token_hex(8)
        events, options = self._parts.events, self._parts.options
        try:
            async with patience(options.request_s):
                description = await events.describe(path, name, self._client.remote)
        except TimeoutError:
            self._ask_no_more()
            raise DeadlineError("rtsp.describe", f"no answer within {options.request_s:g} s") from None
        except (WorkerError, asyncio.CancelledError):
            self._ask_no_more()  # it may have been opened all the same
            raise
        except SteadycastError:
            self._asking = None
            raise
        if self._closed or not description.tracks:
            self._ask_no_more()
            raise RefusedError("lobby.no_tracks", "the lobby has nothing to show yet", retry_after=2)
        self._asking = None
        hold = Hold(name, path, description)
        self._keep(hold)
        return hold

    def _ask_no_more(self) -> None:
        """What is being opened is not wanted any more: said once, and at once, since it may wait in a line."""
        name, self._asking = self._asking, None
        if name is not None:
            self._parts.events.hold_gone(name)

    def _keep(self, hold: Hold | None) -> None:
        """Hold this description, and let go of the former unless a session uses it."""
        former, self._hold = self._hold, hold
        if former is not None and (self.playback is None or self.playback.hold is not former):
            self._parts.events.hold_gone(former.name)

    async def _setup(self, request: Request, address: Address) -> Answer:
        playback = self.playback
        hold = self._hold if playback is None else playback.hold
        if hold is None or hold.path != address.path:
            hold = await self._open(address.path)
        index = track_for_setup(address, len(hold.description.tracks))
        if index is None:
            return refuse(404 if address.track is not None else 459)
        session = None if playback is None else playback.session
        taken = frozenset[int]() if session is None else session.taken_channels(but=index)
        way = choose_transport(request.headers.get("transport", ""), taken)
        if way is None:
            return refuse(461, "RTP/AVP over UDP with client_port and RTP/AVP/TCP work here, both unicast")
        track = self._track(hold.description, index)
        if playback is None:
            playback = self.playback = Playback(self._parts, hold, self._client, self._on_end)
        spelled = playback.set_up(index, way, track.shared.ssrc)
        return Answer(headers=(("Transport", spelled),))

    async def _play(self, request: Request, address: Address) -> Answer:
        playback = self.playback
        assert playback is not None
        live = ("Range", "npt=now-")
        if playback.session.state is State.PLAYING:
            return Answer(headers=(live,))
        loop = asyncio.get_running_loop()
        try:
            info = playback.prepare(self._base(address), loop.time())
        except NotFoundError:
            self.end_session("its track was closed")
            raise
        headers = (live, ("RTP-Info", info)) if info else (live,)
        return Answer(headers=headers, then=lambda: playback.send(loop.time()))

    async def _pause(self, request: Request, address: Address) -> Answer:
        assert self.playback is not None
        self.playback.pause()
        return Answer()

    async def _teardown(self, request: Request, address: Address) -> Answer:
        assert self.playback is not None
        if address.track is None or not self.playback.drop(address.track):
            self.end_session(LEFT)
        return Answer()

    def end_session(self, reason: str) -> None:
        """End the session, if there is one; the description stays for another SETUP."""
        playback, self.playback = self.playback, None
        if playback is not None:
            playback.end(reason)
            if playback.hold is not self._hold:
                self._parts.events.hold_gone(playback.hold.name)

    def close(self, reason: str) -> None:
        """The connection ends: nothing is held any more."""
        self._closed = True
        self._ask_no_more()
        self.end_session(reason)
        self._keep(None)
