"""Two ends of DTLS find the same keys, over loss; a wrong certificate, garbage and repetition end or change nothing."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.egress.webrtc.dtls import DtlsIdentity, DtlsSession, split_flight
from steadycast.egress.webrtc.srtp import PROFILES

CLIENT, SERVER = DtlsIdentity(), DtlsIdentity()


def pair(expected: str = CLIENT.fingerprint) -> tuple[DtlsSession, DtlsSession]:
    client = DtlsSession(CLIENT, active=True, fingerprints=(("sha-256", SERVER.fingerprint),))
    return client, DtlsSession(SERVER, active=False, fingerprints=(("sha-256", expected),))


def shake(client: DtlsSession, server: DtlsSession, lose: set[int]) -> None:
    """Carry flights both ways, losing those datagrams; wait for OpenSSL's own timer where both wait."""
    waiting: list[tuple[DtlsSession, bytes]] = [(server, datagram) for datagram in client.start()]
    carried, give_up = 0, time.monotonic() + 30
    while (client.keys is None or server.keys is None) and time.monotonic() < give_up:
        for receiver, datagram in waiting[:]:
            waiting.remove((receiver, datagram))
            carried += 1
            if carried in lose:
                continue
            other = client if receiver is server else server
            waiting += [(other, answer) for answer in receiver.receive(datagram)]
        if not waiting:
            for end, other in ((client, server), (server, client)):
                wait = end.timeout()
                if wait is not None and wait <= 0:
                    waiting += [(other, datagram) for datagram in end.retransmit()]


def test_both_ends_have_the_same_keys() -> None:
    client, server = pair()
    shake(client, server, set())
    assert client.keys is not None and server.keys is not None
    assert client.keys.sending == server.keys.receiving and client.keys.receiving == server.keys.sending
    assert client.keys.profile is PROFILES["SRTP_AEAD_AES_128_GCM"]
    assert client.timeout() is None and server.timeout() is None


@pytest.mark.parametrize("lose", [{1}, {2}, {3}, {4}])
def test_lost_flights_are_sent_again(lose: set[int]) -> None:
    client, server = pair()
    shake(client, server, lose)
    assert client.keys is not None and server.keys is not None


def test_a_goodbye_is_heard() -> None:
    client, server = pair()
    shake(client, server, set())
    for datagram in client.close():
        server.receive(datagram)
    assert (server.closed and client.close() == []) or server.closed


def test_another_certificate_is_refused() -> None:
    client, server = pair(expected=SERVER.fingerprint)
    shake_until_failed(client, server)
    assert server.keys is None and server.failed is not None and "certificate" in server.failed


def shake_until_failed(client: DtlsSession, server: DtlsSession) -> None:
    waiting = client.start()
    for _ in range(6):
        answers = [answer for datagram in waiting for answer in server.receive(datagram)]
        waiting = [answer for datagram in answers for answer in client.receive(datagram)]


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_garbage_never_raises(datagrams: list[bytes]) -> None:
    _, server = pair()
    for datagram in datagrams:
        server.receive(datagram)
    assert server.keys is None


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=100), max_size=4))
def test_garbage_between_changes_nothing(datagrams: list[bytes]) -> None:
    client, server = pair()
    records = [struct.pack(">BHHIH", 22, 0xFEFD, 0, 0, len(data)) + data[:13] for data in datagrams]
    for garbage in records:
        server.receive(garbage)
    if server.failed is None:
        shake(client, server, set())
        assert server.keys is not None
    for garbage in records:
        server.receive(garbage)


@given(st.lists(st.binary(min_size=0, max_size=900), max_size=12))
def test_flights_are_cut_between_records(bodies: list[bytes]) -> None:
    records = [struct.pack(">BHHIHH", 22, 0xFEFD, 0, 0, 0, len(body)) + body for body in bodies]
    datagrams = split_flight(b"".join(records))
    assert b"".join(datagrams) == b"".join(records)
    assert all(len(datagram) <= 1200 for datagram in datagrams)
    edges = {sum(map(len, records[:n])) for n in range(len(records) + 1)}
    assert all(sum(map(len, datagrams[:n])) in edges for n in range(len(datagrams) + 1))
