"""RTSP spoken by hand to the real server: methods, states, refusals, logins, bounds."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from dataclasses import replace

import pytest

from steadycast.egress.core import rtcp
from steadycast.egress.options import EgressOptions
from tests.support.gst_player import counted, play
from tests.support.rtsp_house import House, RawClient, Reply, descriptors, open_house, run, until

pytestmark = pytest.mark.process

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


async def play_tcp(house: House, path: str = "test") -> tuple[RawClient, str]:
    """A client that plays the first two tracks inside its connection, and its session."""
    client = await RawClient.connect(house.port)
    reply = await client.ask("SETUP", house.url(f"{path}/trackID=0"), Transport=TCP)
    assert reply.status == 200, reply
    session = reply.session
    second = await client.ask(
        "SETUP", house.url(f"{path}/trackID=1"), Session=session, Transport="RTP/AVP/TCP;unicast;interleaved=2-3"
    )
    assert second.status == 200
    return client, session


async def test_a_whole_conversation_in_the_words_of_live555() -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        options = await client.ask("OPTIONS", house.url(), User_Agent="LIVE555 Streaming Media v2021.06.08")
        assert options.status == 200 and "GET_PARAMETER" in options.headers["public"]
        described = await client.ask("DESCRIBE", house.url(), Accept="application/sdp")
        assert described.headers["content-base"] == house.url() + "/"
        assert described.headers["content-type"] == "application/sdp"
        assert described.body.count("m=") == 2 and "a=rtpmap:96 H264/90000" in described.body
        url = described.headers["content-base"]
        client_side = [await UdpPair.open(), await UdpPair.open()]
        session = ""
        for track, pair in enumerate(client_side):
            more = {"Session": session} if session else {}
            transport = f"RTP/AVP;unicast;client_port={pair.rtp_port}-{pair.rtcp_port}"
            reply = await client.ask("SETUP", f"{url}trackID={track}", Transport=transport, **more)
            assert "server_port=" in reply.headers["transport"] and "ssrc=" in reply.headers["transport"]
            assert reply.headers["session"].endswith(";timeout=30")
            session = reply.session
            pair.learn(reply)
        played = await client.ask("PLAY", url, Session=session, Range="npt=0.000-")
        assert played.status == 200 and played.headers["range"] == "npt=now-"
        infos = dict(part.split("/trackID=")[1].split(";", 1) for part in played.headers["rtp-info"].split(","))
        for track, pair in enumerate(client_side):
            first = await pair.packet()
            sequence, stamp, ssrc = struct.unpack_from(">HII", first, 2)
            assert f"{ssrc:08X}" == pair.ssrc
            if "seq=" in infos[str(track)]:
                assert f"seq={sequence};" in infos[str(track)]
            ahead = (stamp - int(infos[str(track)].rpartition("rtptime=")[2])) & 0xFFFFFFFF
            assert ahead < 90000 * 3
            assert (await pair.report())[1] == 200
        kept = await client.ask("GET_PARAMETER", url, Session=session)
        assert kept.status == 200 and kept.session == session
        assert (await client.ask("TEARDOWN", url, Session=session)).status == 200
        assert 203 in await client_side[0].until_bye()
        await client.close()
        for pair in client_side:
            pair.close()
        await house.quiet()


class UdpPair(asyncio.DatagramProtocol):
    """The client's RTP and RTCP ports."""

    def __init__(self) -> None:
        self.queues: dict[int, asyncio.Queue[bytes]] = {}
        self.transports: list[asyncio.DatagramTransport] = []
        self.rtp_port = self.rtcp_port = 0
        self.ssrc = ""
        self.server = (0, 0)

    @classmethod
    async def open(cls) -> UdpPair:
        pair = cls()
        loop = asyncio.get_running_loop()
        ports = []
        for _ in range(2):
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            transport, _ = await loop.create_datagram_endpoint(lambda q=queue: _Into(q), ("127.0.0.1", 0))  # type: ignore[misc]
            ports.append(transport.get_extra_info("sockname")[1])
            pair.queues[ports[-1]] = queue
            pair.transports.append(transport)
        pair.rtp_port, pair.rtcp_port = ports
        return pair

    def learn(self, reply: Reply) -> None:
        fields = dict(part.partition("=")[::2] for part in reply.headers["transport"].split(";"))
        low, _, high = fields["server_port"].partition("-")
        assert int(low) % 2 == 0 and int(high) == int(low) + 1
        self.ssrc, self.server = fields["ssrc"], (int(low), int(high))

    async def packet(self) -> bytes:
        return await asyncio.wait_for(self.queues[self.rtp_port].get(), 20)

    async def report(self) -> bytes:
        return await asyncio.wait_for(self.queues[self.rtcp_port].get(), 20)

    async def until_bye(self) -> list[int]:
        kinds: list[int] = []
        while 203 not in kinds:
            data = await self.report()
            while data:
                kinds.append(data[1])
                data = data[4 + 4 * int.from_bytes(data[2:4], "big") :]
        return kinds

    def send_report(self) -> None:
        """An empty receiver report (RFC 3550 6.4.2)."""
        self.transports[1].sendto(struct.pack(">BBHI", 0x80, 201, 1, 77), ("127.0.0.1", self.server[1]))

    def close(self) -> None:
        for transport in self.transports:
            transport.close()


class _Into(asyncio.DatagramProtocol):
    def __init__(self, queue: asyncio.Queue[bytes]) -> None:
        self.queue = queue

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.queue.put_nowait(data)


async def test_statuses() -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        url = house.url()

        async def status(method: str, target: str = url, **headers: str) -> int:
            return (await client.ask(method, target, **headers)).status

        assert await status("OPTIONS", "*") == 200
        assert await status("RECORD") == 405
        assert await status("FLY") == 501
        missing = await client.ask("DESCRIBE", house.url("nowhere"))
        assert missing.status == 404 and "there is no such lobby" in missing.body
        assert await status("DESCRIBE", house.url("")) == 404
        busy = await client.ask("DESCRIBE", house.url("busy"))
        assert busy.status == 503 and busy.headers["retry-after"] == "7" and "no encoder is free" in busy.body
        required = await client.ask("DESCRIBE", url, Require="implicit-play")
        assert required.status == 551 and required.headers["unsupported"] == "implicit-play"
        assert await status("DESCRIBE", url, Accept="application/rtsl") == 406
        assert await status("DESCRIBE", "http://x/test") == 400
        assert await status("PLAY") == 454
        assert await status("PLAY", url, Session="nonsense") == 454
        assert await status("SETUP", f"{url}/trackID=7", Transport=TCP) == 404
        assert await status("SETUP", url, Transport=TCP) == 459
        for transport in ("RTP/AVP;multicast", "RTP/SAVP;unicast;client_port=5000-5001", "nonsense", ""):
            assert await status("SETUP", f"{url}/trackID=0", Transport=transport) == 461
        setup = await client.ask("SETUP", f"{url}/trackID=0", Transport=f"RTP/SAVP;unicast;client_port=5-6,{TCP}")
        assert setup.status == 200 and "interleaved=0-1" in setup.headers["transport"]
        again = {"Session": setup.session}
        assert await status("SETUP", f"{url}/trackID=1", Transport=TCP, **again) == 461  # channels in use
        assert await status("SETUP", f"{url}/trackID=1", Transport="RTP/AVP/TCP;unicast", **again) == 200
        assert await status("PLAY", f"{url}/trackID=1", **again) == 460
        assert await status("PLAY", house.url("test/mute"), **again) == 404
        assert await status("PLAY", url, **again) == 200
        assert await status("SETUP", f"{url}/trackID=1", Transport=TCP, **again) == 455
        assert await status("PLAY", url, **again) == 200
        assert (await client.ask("GET_PARAMETER", url, b"packets_received\r\n", **again)).status == 451
        assert await status("SET_PARAMETER", url, **again) == 200
        assert await status("PAUSE", url, **again) == 200
        assert await status("PLAY", url, **again) == 200
        assert await status("TEARDOWN", url, **again) == 200
        assert await status("GET_PARAMETER", url, **again) == 454
        await client.close()
        await house.quiet()
        assert len(house.world.joined) == 1


async def test_interleaved_packets_pause_and_one_track_only() -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        setup = await client.ask("SETUP", house.url("test/trackID=1"), Transport="RTP/AVP/TCP;unicast;interleaved=6-7")
        await client.ask("PLAY", house.url(), Session=setup.session)
        seen = {(await client.packet())[0] for _ in range(20)}
        assert seen == {6, 7}
        await client.ask("PAUSE", house.url(), Session=setup.session)
        assert house.fanout.statistics().subscribers == 0
        client.packets.clear()
        for _ in range(3):  # nothing comes between the answers
            await client.ask("GET_PARAMETER", house.url(), Session=setup.session)
        assert client.packets == []
        played = await client.ask("PLAY", house.url(), Session=setup.session)
        channel, first = await client.packet()
        while channel != 6:
            channel, first = await client.packet()
        assert f"seq={int.from_bytes(first[2:4], 'big')};" in played.headers["rtp-info"]
        await client.close()
        await house.quiet()


async def test_requests_may_be_pipelined_and_packets_may_lie_between_them() -> None:
    async with open_house() as house:
        client, session = await play_tcp(house)
        report = struct.pack(">BBHI", 0x80, 201, 1, 9)
        words = b""
        for number in range(100, 150):
            words += f"GET_PARAMETER {house.url()} RTSP/1.0\r\nCSeq: {number}\r\nSession: {session}\r\n\r\n".encode()
            words += b"$\x01" + len(report).to_bytes(2, "big") + report
        client.writer.write(words)
        for number in range(100, 150):
            assert (await client.reply()).headers["cseq"] == str(number)
        await client.close()
        await house.quiet()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
        (b"OPTIONS rtsp://h/" + b"a" * 9000, 414),
        (b"DESCRIBE rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"DESCRIBE rtsp://h/x RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"DESCRIBE rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\n" + b"X: y\r\n" * 5000, 400),
    ],
)
async def test_nonsense_is_answered_and_closed(words: bytes, status: int) -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        client.writer.write(words)
        assert (await client.reply()).status == status
        await client.ended()
        await client.close()
        await house.quiet()


async def test_a_request_without_a_number_is_refused_and_the_connection_stays() -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        client.writer.write(b"OPTIONS * RTSP/1.0\r\n\r\n")
        assert (await client.reply()).status == 400
        assert (await client.ask("OPTIONS", "*")).status == 200
        await client.close()
        await house.quiet()


async def test_an_unfinished_request_and_an_idle_connection_end() -> None:
    async with open_house(EgressOptions(request_s=1, viewer_silence_s=3)) as house:
        slow, idle = await RawClient.connect(house.port), await RawClient.connect(house.port)
        slow.writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: ")
        assert (await slow.reply()).status == 408
        await asyncio.gather(slow.ended(), idle.ended())
        await house.quiet()
        await asyncio.gather(slow.close(), idle.close())


async def test_a_description_that_takes_too_long_ends() -> None:
    async with open_house(EgressOptions(request_s=1)) as house:
        client = await RawClient.connect(house.port)
        assert (await client.ask("DESCRIBE", house.url("slow"))).status == 504
        await client.close()
        await house.quiet()


async def test_connections_over_the_limit_are_told_so() -> None:
    async with open_house(EgressOptions(rtsp_connections=3, request_s=600)) as house:
        hasty = await RawClient.connect(house.port)  # it leaves while it waits, for an encoder say
        hasty.writer.write(f"DESCRIBE {house.url('slow')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        await until(lambda: house.world.open_holds == 1, "asked")
        await hasty.close()
        await house.quiet()
        clients = [await RawClient.connect(house.port) for _ in range(3)]
        for client in clients:
            assert (await client.ask("DESCRIBE", house.url())).status == 200
        over = await RawClient.connect(house.port)
        refused = await over.ask("DESCRIBE", house.url())
        assert refused.status == 503 and "retry-after" in refused.headers
        await over.ended()
        flood = [await RawClient.connect(house.port) for _ in range(80)]
        await asyncio.gather(*(client.ended() for client in flood))
        assert (await clients[0].ask("DESCRIBE", house.url())).status == 200
        for client in (*clients, over, *flood):
            await client.close()
        await house.quiet()


async def test_who_says_nothing_keeps_nobody_out() -> None:
    async with open_house(EgressOptions(rtsp_connections=20)) as house:
        viewer = await RawClient.connect(house.port)
        assert (await viewer.ask("DESCRIBE", house.url())).status == 200
        silent = [await RawClient.connect(house.port) for _ in range(100)]
        silent[99].writer.write(b"OPTIONS * RT")
        late = await RawClient.connect(house.port)
        assert (await late.ask("DESCRIBE", house.url())).status == 200
        assert (await viewer.ask("SETUP", house.url("test/trackID=0"), Transport=TCP)).status == 200
        await asyncio.gather(*(client.ended() for client in silent[:80]))
        for client in (viewer, late, *silent):
            await client.close()
        await house.quiet()


def digests(password: str) -> dict[str, str]:
    words = f"viewer:steadycast:{password}".encode()
    return {"MD5": hashlib.md5(words).hexdigest(), "SHA-256": hashlib.sha256(words).hexdigest()}


@pytest.mark.parametrize("password", ["secret", "wrong"])
async def test_players_log_in(password: str) -> None:
    async with open_house(EgressOptions(digest=digests("secret"))) as house:
        address = house.url("test/mute")
        named = address.replace("rtsp://", f"rtsp://viewer:{password}@")
        for transport in ("tcp", "udp"):
            ran = await run(
                "ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", "stream=codec_name", named
            )
            assert ("h264" in ran.out) == (password == "secret"), ran.err
            assert password == "secret" or "401" in ran.err
        played = await play(
            "rtspsrc", f"location={address}", "user-id=viewer", f"user-pw={password}", "!",
            "rtph264depay", "!", *counted("picture"), "!", "fakesink", frames={"picture": 10},
        )  # fmt: skip
        assert played.enough == (password == "secret"), played.out[-3000:]
        await house.quiet()


async def test_without_a_login_nothing_is_told() -> None:
    async with open_house(EgressOptions(digest=digests("secret"))) as house:
        client = await RawClient.connect(house.port)
        for path in ("test", "nowhere"):
            for method in ("DESCRIBE", "SETUP", "PLAY", "TEARDOWN"):
                reply = await client.ask(method, house.url(path), Transport=TCP)
                assert reply.status == 401 and reply.body == ""
        assert [name for name, _ in reply.all_headers].count("www-authenticate") == 2
        assert house.world.holds == []
        await client.close()


async def test_kick_and_the_end_of_a_lobby_say_bye_and_close() -> None:
    async with open_house() as house:
        ends = []
        for _ in range(3):
            client, session = await play_tcp(house)
            await client.ask("PLAY", house.url(), Session=session)
            await client.both_tracks()
            ends.append(client)
        await until(lambda: house.world.watching == 3, "three viewers")
        first = house.world.joined[0].viewer
        assert not await house.server.kick("nobody", "because")
        assert await house.server.kick(first, "because")
        assert house.world.gone == {first: "because"}
        assert has_bye(await ends[0].ended())
        house.fanout.close_track("l1/main", "the lobby was deleted")
        for client in ends[1:]:
            assert has_bye(await client.ended())
        assert sorted(house.world.gone.values()) == ["because", "the lobby was deleted", "the lobby was deleted"]
        await house.quiet()
        for client in ends:
            await client.close()


def has_bye(data: bytes) -> bool:
    """Whether the packets of a connection end with a BYE on each track."""
    channels, position = set(), 0
    while position + 4 <= len(data) and data[position : position + 1] == b"$":
        end = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
        packet = data[position + 4 : end]
        if any(isinstance(said, rtcp.Bye) for said in rtcp.parse(packet)):
            channels.add(data[position + 1])
        position = end
    return channels == {1, 3}


async def test_ipv6() -> None:
    async with open_house(replace(EgressOptions(), host="::1")) as house:
        for transport in ("tcp", "udp"):
            ran = await run(
                "ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", "stream=codec_name",
                f"rtsp://[::1]:{house.port}/test",
            )  # fmt: skip
            assert "h264" in ran.out and "opus" in ran.out, ran.err
        await house.quiet()


async def test_nothing_is_left_after_many_rounds_and_failures() -> None:
    async with open_house() as house:
        await one_round(house)
        before, tasks = descriptors(), len(asyncio.all_tasks())
        for _ in range(60):
            await one_round(house)
        assert descriptors() == before
        assert len(asyncio.all_tasks()) == tasks
        assert house.state() == (0, 0, 0, 0, 0)
        statistics = house.server.statistics()
        assert statistics is not None and statistics.failures == 0
        assert house.fanout.statistics().failures == 0


async def one_round(house: House) -> None:
    """Clients that end well, that break off in each state, and that speak nonsense."""
    clients = []
    for steps in range(4):
        client, session = await play_tcp(house)
        if steps > 0:
            await client.ask("PLAY", house.url(), Session=session)
            await client.packet()
        if steps > 1:
            await client.ask("PAUSE", house.url(), Session=session)
        if steps > 2:
            await client.ask("TEARDOWN", house.url(), Session=session)
        clients.append(client)
    udp, pair = await RawClient.connect(house.port), await UdpPair.open()
    way = f"RTP/AVP;unicast;client_port={pair.rtp_port}-{pair.rtcp_port}"
    reply = await udp.ask("SETUP", house.url("test/trackID=0"), Transport=way)
    pair.learn(reply)
    pair.send_report()
    await udp.ask("PLAY", house.url(), Session=reply.session)
    await pair.packet()
    nonsense = await RawClient.connect(house.port)
    nonsense.writer.write(b"\x00\r\n\r\n")
    await nonsense.ended()
    lost = await RawClient.connect(house.port)
    await lost.ask("DESCRIBE", house.url("nowhere"))
    lost.writer.transport.abort()
    for client in (*clients, udp, nonsense, lost):
        await client.close()
    pair.close()
    await house.quiet()
