"""ICE decisions with the time as an argument: who is answered, what is checked, which pair is used."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.webrtc.aioice_parts import binding_error, binding_request, binding_response, read_stun
from steadycast.egress.webrtc.candidate import Candidate
from steadycast.egress.webrtc.ice import (
    CONSENT_S,
    MOST_PAIRS,
    MOST_TRIES,
    Credentials,
    Datagram,
    IceAgent,
    Remote,
    new_credentials,
)  # fmt: skip

BROWSER = Credentials("brws", "b" * 24)
FIRST, SECOND = Remote("192.0.2.10", 5000), Remote("198.51.100.7", 6000)


def request(agent: IceAgent, *, nominate: bool = False, role: str = "ICE-CONTROLLING", pwd: str | None = None) -> bytes:
    attributes = {"USERNAME": f"{agent.local.ufrag}:{agent.remote.ufrag}", "PRIORITY": 1_853_824_767, role: 7}
    if nominate:
        attributes["USE-CANDIDATE"] = None
    return binding_request(os.urandom(12), attributes, agent.local.pwd if pwd is None else pwd)


def take(agent: IceAgent, data: bytes, remote: Remote, now: float = 0.0) -> list[Datagram] | None:
    message = read_stun(data)
    assert message is not None
    return agent.receive(message, remote, now)


def confirm(agent: IceAgent, sent: Datagram, now: float = 0.0) -> None:
    """The browser answers one of our checks."""
    check = read_stun(sent[0])
    assert check is not None and check.is_request and check.is_signed_with(agent.remote.pwd)
    assert check.username == f"{agent.remote.ufrag}:{agent.local.ufrag}"
    assert take(agent, binding_response(check.transaction, ("203.0.113.1", 9), agent.remote.pwd), sent[1], now) == []


def connect(agent: IceAgent, remote: Remote, now: float = 0.0) -> None:
    datagrams = take(agent, request(agent, nominate=True), remote, now)
    assert datagrams is not None and len(datagrams) == 2
    confirm(agent, datagrams[1], now)
    assert agent.selected == remote


def test_an_unknown_address_is_learned_from_its_check() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    datagrams = take(agent, request(agent), FIRST)
    assert datagrams is not None
    answer, check = datagrams
    response = read_stun(answer[0])
    assert answer[1] == check[1] == FIRST
    assert response is not None and response.is_response and response.mapped == ("192.0.2.10", 5000)
    assert response.is_signed_with(agent.local.pwd)
    confirm(agent, check)
    assert agent.selected is None  # the browser has not decided yet
    take(agent, request(agent, nominate=True), FIRST)
    assert agent.selected == FIRST


def test_a_nomination_counts_only_after_our_own_check() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    datagrams = take(agent, request(agent, nominate=True), FIRST)
    assert datagrams is not None and agent.selected is None
    confirm(agent, datagrams[1])
    assert agent.selected == FIRST


def test_strangers_get_no_answer() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    assert take(agent, request(agent, pwd="x" * 24), FIRST) is None
    wrong = binding_request(os.urandom(12), {"USERNAME": "a:b"}, agent.local.pwd)
    assert take(agent, wrong, FIRST) is None
    unsigned = binding_request(os.urandom(12), {"USERNAME": f"{agent.local.ufrag}:{BROWSER.ufrag}"}, None)
    assert take(agent, unsigned, FIRST) is None


def test_role_conflict() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    datagrams = take(agent, request(agent, role="ICE-CONTROLLED"), FIRST)
    assert datagrams is not None and len(datagrams) == 1
    message = read_stun(datagrams[0][0])
    assert message is not None and message.is_error


def test_answers_count_only_from_where_the_check_went_and_signed() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    datagrams = take(agent, request(agent, nominate=True), FIRST)
    assert datagrams is not None
    check = read_stun(datagrams[1][0])
    assert check is not None
    assert take(agent, binding_response(check.transaction, ("192.0.2.1", 1), BROWSER.pwd), SECOND) is None
    assert take(agent, binding_response(check.transaction, ("192.0.2.1", 1), "x" * 24), FIRST) is None
    assert take(agent, binding_response(os.urandom(12), ("192.0.2.1", 1), BROWSER.pwd), FIRST) is None
    assert agent.selected is None


def test_candidates_are_checked_with_pace_and_an_end() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    for number in range(100):
        agent.add_candidate(Candidate("1", number, "192.0.2.10", 1000 + number, "host"))
    sent: list[tuple[float, Datagram]] = []
    for step in range(20_000):
        sent += [(step / 100, datagram) for datagram in agent.poll(step / 100)]
    assert len(sent) == MOST_PAIRS * MOST_TRIES
    assert sent[0][1][1].port == 1000 + MOST_PAIRS - 1  # the best of those that were taken first
    firsts = {datagram[1]: at for at, datagram in reversed(sent)}
    times = sorted(firsts.values())
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(times))


def test_a_failed_pair_is_revived_by_the_browsers_check() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    datagrams = take(agent, request(agent, nominate=True), FIRST)
    assert datagrams is not None
    check = read_stun(datagrams[1][0])
    assert check is not None
    assert take(agent, binding_error(check.transaction, 401, "no", BROWSER.pwd), FIRST) == []
    connect(agent, FIRST)


def test_the_best_of_many_nominated_pairs_is_used() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    agent.add_candidate(Candidate("1", 2_000_000_000, SECOND.host, SECOND.port, "host"))
    connect(agent, FIRST, 0.0)
    connect(agent, SECOND, 0.1)  # the better one
    for now in (0.2, 1.0, 2.0):
        for remote in (FIRST, SECOND):
            take(agent, request(agent, nominate=True), remote, now)
    assert agent.selected == SECOND


def test_the_browser_moves_to_another_network_and_back() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    connect(agent, FIRST, 0.0)
    connect(agent, SECOND, 20.0)
    connect_again(agent, FIRST, 40.0)


def connect_again(agent: IceAgent, remote: Remote, now: float) -> None:
    """Nominate a pair that was checked before."""
    datagrams = take(agent, request(agent, nominate=True), remote, now)
    assert datagrams is not None and len(datagrams) == 1
    assert agent.selected == remote


def test_an_old_address_that_is_not_nominated_any_more_is_left() -> None:
    """The browser moved in the first seconds, to a pair no better: only its silence says so."""
    agent = IceAgent(new_credentials(), BROWSER)
    connect(agent, FIRST, 0.0)
    datagrams = take(agent, request(agent, nominate=True), SECOND, 1.0)
    assert datagrams is not None
    confirm(agent, datagrams[1], 1.0)
    assert agent.selected == FIRST
    connect_again(agent, SECOND, 6.0)


def test_consent_is_asked_for_while_connected() -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    connect(agent, FIRST)
    checks = [(step / 10, datagram) for step in range(600) for datagram in agent.poll(step / 10)]
    assert {datagram[1] for _, datagram in checks} == {FIRST}
    assert 60 / CONSENT_S * 0.75 <= len(checks) <= 60 / CONSENT_S * 1.35
    confirm(agent, checks[-1][1], 60.0)


def test_relayed_paths_come_last() -> None:
    agent = IceAgent(new_credentials(), BROWSER, can_relay=True)
    agent.add_candidate(Candidate("1", 5_000_000_00, FIRST.host, FIRST.port, "host"))
    first, second = agent.poll(0.0), agent.poll(0.1)
    assert [datagram[1].relayed for datagram in first + second] == [False, True]


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda data: b"\0\1\0\0\x21\x12\xa4\x42" + data)))
def test_garbage_is_no_stun(data: bytes) -> None:
    read_stun(data)


@given(st.data())
def test_damaged_messages_change_nothing(data: st.DataObject) -> None:
    agent = IceAgent(new_credentials(), BROWSER)
    whole = bytearray(request(agent, nominate=True))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    message = read_stun(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    if message is not None and bytes(whole) != request(agent, nominate=True):
        agent.receive(message, FIRST, 0.0)
    assert agent.selected is None


@pytest.mark.parametrize(
    "attribute", [b"\x00\x06\x00\x04\xff\xfe\xfd\xfc", b"\x80\x28\x00\x00", b"\x00\x20\x00\x08" + bytes(8)]
)
def test_attributes_that_cannot_be_read(attribute: bytes) -> None:
    head = b"\x00\x01" + len(attribute).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    assert read_stun(head + attribute) is None
