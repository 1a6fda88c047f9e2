"""Three sessions and three hundred offers at the same moment: never a fourth, nobody lost, order kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from steadycast.vendors.simulated.driver import SimulatedDriver
from tests.support.host import Host, running_host, wait_for
from tests.support.offers import h264_offer

pytestmark = pytest.mark.process

OFFERS = 300
RENDITIONS = 8
CAP = 3
ANSWER_S = 40.0  # the host's own deadlines are 14 and 15 s; this machine may be busy
CONFIG = f"""
[renditions]
linger_s = 60
[limits]
offers_per_s = 10000
[encoders]
queue_s = 13
queue_length = 256
cpu_pixels_per_s = 1e9
[vendors.nvidia]
enabled = false
[vendors.va]
enabled = false
[vendors.simulated]
enabled = true
sessions = {CAP}
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with running_host(CONFIG) as host:
        yield host


@pytest.mark.parametrize(("when_full", "lobbies"), [("refuse", 5), ("queue", 2)])
async def test_offers_at_the_same_moment(host: Host, when_full: str, lobbies: int) -> None:
    ids = [_create(host, when_full) for _ in range(lobbies)]
    for lobby in ids:
        host.wait_state(lobby, "STREAMING")
    wait_for("a device", lambda: host.get("/api/v1/devices/simulated:0")["beliefs"][0]["state"] == "works")
    seen: list[int] = []
    watching = asyncio.create_task(_count_sessions(host, seen))
    limits = httpx.Limits(max_connections=OFFERS)
    async with httpx.AsyncClient(base_url=host.url, timeout=ANSWER_S, limits=limits) as http:
        wished = [(ids[n % lobbies], f"r{n // lobbies % RENDITIONS}") for n in range(OFFERS)]
        answers = await asyncio.gather(*(_offer(http, *wish, leave=when_full == "queue") for wish in wished))
    watching.cancel()
    assert max(seen) == CAP, "never a fourth session"
    assert host.get("/api/v1/devices/simulated:0")["last_refusal"] is None, "nobody was sent to the driver in vain"
    results = Counter(answers)
    if when_full == "refuse":
        assert results.keys() == {"201", "503 encoder_sessions"}, results
        won = {wish for wish, answer in zip(wished, answers, strict=True) if answer == "201"}
        assert len(won) == CAP, won
        lost = [wish for wish, answer in zip(wished, answers, strict=True) if answer != "201" and wish in won]
        assert not lost, f"refused though it runs: {lost}"
    else:
        assert results.keys() <= {"201", "503 queue_timeout"}, results
        assert results["201"], results  # how many depends on how fast this machine opens encoders
        _check_order(host, set(ids))
    for lobby in ids:
        host.delete(lobby)
    wait_for("nothing lent", lambda: not host.get("/api/v1/leases")["items"])
    assert not SimulatedDriver(host.runtime / "simulated").sessions()


def _create(host: Host, when_full: str) -> str:
    renditions = [{"name": f"r{n}"} for n in range(RENDITIONS)]
    source = {"kind": "test", "width": 160, "height": 90, "fps": 5}
    policy = {"hardware": "require", "when_full": when_full}
    return str(host.create("Crowd", source, renditions=renditions, encoders=policy)["id"])


async def _offer(http: httpx.AsyncClient, lobby: str, rendition: str, *, leave: bool) -> str:
    """The status of the answer, and its code where it is a refusal."""
    headers = {"content-type": "application/sdp"}
    answer = await http.post(f"/whep/{lobby}", params={"rendition": rendition}, content=h264_offer(), headers=headers)
    if answer.status_code != 201:
        assert "retry-after" in answer.headers, answer.text
        return f"{answer.status_code} {answer.json()['code']}"
    if leave:
        assert (await http.delete(answer.headers["location"])).status_code == 200
    return "201"


async def _count_sessions(host: Host, seen: list[int]) -> None:
    driver = SimulatedDriver(host.runtime / "simulated")
    while True:
        seen.append(len(await asyncio.to_thread(driver.sessions)))
        await asyncio.sleep(0.02)


def _check_order(host: Host, lobbies: set[str]) -> None:
    """Who queued first is served first, as nobody had another priority."""
    items = [item for item in host.get("/api/v1/admissions?limit=200")["items"] if item["lobby"] in lobbies]
    items.reverse()
    queued = [item["holder"] for item in items if item["result"] == "queue"]
    waited = dict.fromkeys(queued)
    granted = [item["holder"] for item in items if item["result"] == "grant" and item["holder"] in waited]
    first = list(dict.fromkeys(granted))
    assert first == [holder for holder in waited if holder in first], (queued, granted)
