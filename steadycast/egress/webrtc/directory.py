"""Whose datagram is this? Viewers behind one socket by address, by ICE user name, and by transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadycast.egress.webrtc.aioice_parts import StunMessage
from steadycast.egress.webrtc.ice import MOST_PAIRS, TAG_BYTES, IceAgent, Remote

if TYPE_CHECKING:
    from steadycast.egress.webrtc.peer import Peer

Owner = tuple["Peer", IceAgent]


class Directory:
    """Bounded by its viewers: at most two agents and MOST_PAIRS addresses each."""

    def __init__(self) -> None:
        self._by_address: dict[Remote, Peer] = {}
        self._by_ufrag: dict[str, Owner] = {}
        self._by_tag: dict[bytes, Owner] = {}

    def at(self, remote: Remote) -> Peer | None:
        """The viewer that proved to be at an address."""
        return self._by_address.get(remote)

    def addressed(self, message: StunMessage) -> Owner | None:
        """The agent that a message is meant for: requests name it, answers repeat what it asked."""
        if message.is_request:
            return self._by_ufrag.get((message.username or "").partition(":")[0])
        return self._by_tag.get(message.transaction[:TAG_BYTES])

    def add_agent(self, peer: Peer, agent: IceAgent) -> None:
        """Lead an agent's messages to it."""
        self._by_ufrag[agent.local.ufrag] = self._by_tag[agent.tag] = (peer, agent)

    def add_address(self, peer: Peer, remote: Remote) -> None:
        """Lead an address to a viewer; the last one that proved to be there has it."""
        if remote not in peer.known and len(peer.known) >= MOST_PAIRS:
            self._drop(peer, next(known for known in peer.known if known != peer.remote))
        self._by_address[remote] = peer
        peer.known.add(remote)

    def remove_agent(self, agent: IceAgent) -> None:
        """Forget an agent that was replaced."""
        self._by_ufrag.pop(agent.local.ufrag, None)
        self._by_tag.pop(agent.tag, None)

    def remove(self, peer: Peer) -> None:
        """Forget a viewer."""
        for agent in peer.agents:
            self.remove_agent(agent)
        for remote in tuple(peer.known):
            self._drop(peer, remote)

    def _drop(self, peer: Peer, remote: Remote) -> None:
        peer.known.discard(remote)
        if self._by_address.get(remote) is peer:
            del self._by_address[remote]

    def __len__(self) -> int:
        return len(self._by_address) + len(self._by_ufrag) + len(self._by_tag)
