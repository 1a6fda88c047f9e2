"""One viewer's side of ICE (RFC 8445): always controlled, one component, any number of viewers behind one socket.

Sans-IO. Datagrams and the time go in, datagrams to send come out. The tie-breaker is 0, so this side never wins the
controlling role (RFC 8445 section 7.3.1.1): the browser decides which pair is used.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from steadycast.egress.webrtc.aioice_parts import StunMessage, binding_error, binding_request, binding_response
from steadycast.egress.webrtc.candidate import Candidate, priority_of

MOST_PAIRS = 32
PACE_S = 0.05  # between checks of new pairs (Ta, RFC 8445 section 14.2)
FIRST_RETRY_S = 0.25  # doubled for each further try
MOST_TRIES = 7
CONSENT_S = 5.0  # between consent checks on the selected pair (RFC 7675 section 5.1), give or take a fifth
SETTLED_S = 3.0  # a pair first nominated so long after the choice is no part of the first checks: the browser moved
STALE_S = 4.0  # a pair not nominated again for so long has been left; browsers check theirs every 2.5 s
TAG_BYTES = 4  # first bytes of a transaction id: they lead a response back to its agent


class Remote(NamedTuple):
    """Where datagrams of a viewer come from and go to: its address, straight or over our TURN allocation."""

    host: str
    port: int
    relayed: bool = False

    @property
    def text(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Credentials(NamedTuple):
    ufrag: str
    pwd: str


Datagram = tuple[bytes, Remote]


def new_credentials() -> Credentials:
    """Fresh ones: 48 and 144 bits, more than RFC 8445 section 5.3 asks for."""
    return Credentials(secrets.token_hex(6), secrets.token_hex(18))


class _State(Enum):
    WAITING = auto()
    CHECKING = auto()
    VALID = auto()
    FAILED = auto()


@dataclass(slots=True)
class _Pair:
    remote: Remote
    priority: int
    state: _State = _State.WAITING
    tries: int = 0
    due: float = 0.0
    transaction: bytes = b""
    request: bytes = field(default=b"", repr=False)
    nominated_at: float | None = None  # first and last time, since it was last chosen
    renominated_at: float = 0.0


class IceAgent:
    """One generation of a viewer's ICE. `selected` is where media goes; None until the browser nominated a pair."""

    def __init__(self, local: Credentials, remote: Credentials, *, can_relay: bool = False) -> None:
        self.local = local
        self.remote = remote
        self.tag = secrets.token_bytes(TAG_BYTES)
        self.selected: Remote | None = None
        self._can_relay = can_relay
        self._pairs: dict[Remote, _Pair] = {}
        self._selected_at = 0.0
        self._next_new = 0.0
        self._next_consent = 0.0

    def add_candidate(self, candidate: Candidate) -> None:
        """Check a candidate of the offer, or a trickled one; more than MOST_PAIRS are forgotten."""
        self._pair(Remote(candidate.address, candidate.port), candidate.priority)
        if self._can_relay:
            self._pair(Remote(candidate.address, candidate.port, relayed=True), candidate.priority)

    def _pair(self, remote: Remote, priority: int) -> _Pair | None:
        pair = self._pairs.get(remote)
        if pair is None and (len(self._pairs) < MOST_PAIRS or self._make_room()):
            pair = self._pairs[remote] = _Pair(
                remote, min(priority, priority_of("relay") if remote.relayed else priority)
            )
        return pair

    def _make_room(self) -> bool:
        useless = next((pair for pair in self._pairs.values() if pair.state is _State.FAILED), None)
        if useless is not None and useless.remote != self.selected:
            del self._pairs[useless.remote]
            return True
        return False

    # --- what comes in --------------------------------------------------------------------------------------------

    def receive(self, message: StunMessage, remote: Remote, now: float) -> list[Datagram] | None:
        """Take a message; what to send for it. None: it is not signed with our secrets, and gets no answer."""
        if message.is_request:
            return self._receive_request(message, remote, now)
        return [] if self._receive_answer(message, remote, now) else None

    def _receive_request(self, message: StunMessage, remote: Remote, now: float) -> list[Datagram] | None:
        expected = f"{self.local.ufrag}:{self.remote.ufrag}"
        # No answer to a stranger: it would only help who looks for open ports or for a mirror.
        if message.username != expected or not message.is_signed_with(self.local.pwd):
            return None
        if message.is_controlled:
            return [(binding_error(message.transaction, 487, "Role Conflict", self.local.pwd), remote)]
        answer = (binding_response(message.transaction, (remote.host, remote.port), self.local.pwd), remote)
        pair = self._pair(remote, message.priority)
        if pair is None:
            return [answer]
        if message.nominates:
            self._nominate(pair, now)
        if pair.state is _State.VALID:
            return [answer]
        return [answer, self._check(pair, now)]  # triggered check (RFC 8445 section 7.3.1.4)

    def _receive_answer(self, message: StunMessage, remote: Remote, now: float) -> bool:
        pair = self._pairs.get(remote)  # a response from another address than was asked is no proof of anything
        if pair is None or not pair.transaction or message.transaction != pair.transaction:
            return False
        if not message.is_signed_with(self.remote.pwd):
            return False
        pair.transaction = pair.request = b""
        if message.is_error:
            pair.state = _State.FAILED if pair.state is _State.CHECKING else pair.state
            return True
        pair.state = _State.VALID
        if pair.nominated_at is not None:
            self._select(pair, pair.nominated_at, now)
        return True

    def _nominate(self, pair: _Pair, now: float) -> None:
        if pair.nominated_at is None:
            pair.nominated_at = now
        pair.renominated_at = now
        if pair.state is _State.VALID:
            self._select(pair, pair.nominated_at, now)

    def _select(self, pair: _Pair, nominated_at: float, now: float) -> None:
        """Follow a nomination.

        A browser that nominates many pairs in its first checks means the best of them. One that moved to another
        network nominates the new pair later, or does not nominate the old one any more.
        """
        current = self._pairs.get(self.selected) if self.selected is not None else None
        if current is pair:
            return
        if current is not None:
            moved = nominated_at - self._selected_at > SETTLED_S or now - current.renominated_at > STALE_S
            if not moved and pair.priority <= current.priority:
                return
            current.nominated_at = None
        self.selected, self._selected_at = pair.remote, now

    # --- what time brings -----------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[Datagram]:
        """Checks that are due."""
        if self.selected is not None:
            return self._poll_consent(now)
        due: list[Datagram] = []
        for pair in self._pairs.values():
            if pair.state is _State.CHECKING and pair.due <= now:
                if pair.tries >= MOST_TRIES:
                    pair.state = _State.FAILED
                    pair.transaction = pair.request = b""
                else:
                    due.append(self._check(pair, now))
        if self._next_new <= now:
            waiting = [pair for pair in self._pairs.values() if pair.state is _State.WAITING]
            if waiting:
                self._next_new = now + PACE_S
                due.append(self._check(max(waiting, key=lambda pair: pair.priority), now))
        return due

    def _poll_consent(self, now: float) -> list[Datagram]:
        pair = self._pairs.get(self.selected) if self.selected is not None else None
        if pair is None or now < self._next_consent:
            return []
        self._next_consent = now + CONSENT_S * (0.8 + 0.4 * secrets.randbelow(1000) / 1000)
        pair.transaction = pair.request = b""
        return [self._check(pair, now)]

    def _check(self, pair: _Pair, now: float) -> Datagram:
        if pair.state is not _State.VALID:
            if pair.state is not _State.CHECKING:
                pair.tries, pair.transaction, pair.request = 0, b"", b""
            pair.state = _State.CHECKING
            pair.due = now + FIRST_RETRY_S * 2**pair.tries
            pair.tries += 1
        if not pair.request:
            pair.transaction = self.tag + secrets.token_bytes(12 - TAG_BYTES)
            pair.request = binding_request(
                pair.transaction,
                {
                    "USERNAME": f"{self.remote.ufrag}:{self.local.ufrag}",
                    "PRIORITY": priority_of("prflx"),
                    "ICE-CONTROLLED": 0,
                },
                self.remote.pwd,
            )
        return pair.request, pair.remote
