"""Who may come in: hosts, origins and tokens, first as pure decisions, then through the whole application."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from steadycast.api.app import create_app
from steadycast.api.attempts import ADDRESSES, Attempts
from steadycast.api.guard import read
from steadycast.api.security import Asked, Rules, Verdict, decide, rules_from
from steadycast.config.settings import AuthSettings, HttpSettings, Settings
from steadycast.config.tokens import hash_token
from steadycast.errors import ConfigError
from tests.support.memory_lobbies import MemoryLobbies, a_lobby

TOKEN = "a-token-of-more-than-sixteen-characters"
LOCAL = rules_from(Settings())
HOME = "https://home.example"
OPEN = rules_from(Settings(http=HttpSettings(allowed_origins=(HOME,))))
LOCKED = rules_from(Settings(auth=AuthSettings(token=SecretStr(TOKEN))))


def ask(
    path: str = "/api/v1/lobbies", method: str = "GET", host: str | None = "localhost:8800", **more: object
) -> Asked:
    return Asked(method, path, host=host, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["localhost", "localhost:8800", "127.0.0.1:8800", "[::1]:8800", "LOCALHOST:1"])
def test_own_names(host: str) -> None:
    assert decide(LOCAL, ask(host=host)) is Verdict.PASS


@pytest.mark.parametrize("host", [None, "", "evil.example", "localhost.evil.example:8800", "127.0.0.1.nip.io", "[::1"])
def test_rebound_names(host: str | None) -> None:
    assert decide(LOCAL, ask(host=host)) is Verdict.HOST_REFUSED
    assert decide(LOCAL, ask("/", host=host)) is Verdict.HOST_REFUSED


def test_two_hosts_are_none() -> None:
    headers = [(b"host", b"localhost"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    assert read(scope).host is None
    assert read(scope | {"headers": headers[:1]}).host == "localhost"


def test_any_name_where_the_host_listens_to_all() -> None:
    rules = rules_from(Settings(host="0.0.0.0", auth=AuthSettings(token=SecretStr(TOKEN))))
    asked = ask(host="studio.example:8800", authorization=f"Bearer {TOKEN}")
    assert decide(rules, asked) is Verdict.PASS


@pytest.mark.parametrize("origin", ["http://localhost:8800", "HTTP://LOCALHOST:8800"])
def test_own_origin(origin: str) -> None:
    assert decide(LOCAL, ask(origin=origin, method="POST")) is Verdict.PASS


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://localhost",
        "https://evil.example",
        "null",
        "",
        "file://",
        "http://localhost:8800x",
    ],
)
def test_other_origins(origin: str) -> None:
    assert decide(LOCAL, ask(origin=origin, method="POST")) is Verdict.ORIGIN_REFUSED
    assert decide(LOCAL, ask(origin=origin, method="OPTIONS", preflight=True)) is Verdict.ORIGIN_REFUSED


def test_allowed_origins() -> None:
    assert decide(OPEN, ask(origin=HOME)) is Verdict.PASS
    assert decide(OPEN, ask(origin=HOME, method="OPTIONS", preflight=True)) is Verdict.PREFLIGHT
    assert decide(OPEN, ask(origin="https://home.example.evil.example")) is Verdict.ORIGIN_REFUSED
    assert decide(OPEN, ask(host="home.example", origin=HOME)) is Verdict.PASS  # behind a proxy of that name


def test_requests_of_other_sites_without_origin() -> None:
    for site in ("cross-site", "same-site"):
        assert decide(LOCAL, ask(site=site, mode="no-cors")) is Verdict.ORIGIN_REFUSED
        assert decide(LOCAL, ask(site=site, mode="navigate")) is Verdict.PASS
        assert decide(LOCAL, ask(site=site, mode="navigate", method="POST")) is Verdict.ORIGIN_REFUSED
        assert decide(LOCAL, ask("/", site=site, mode="navigate")) is Verdict.PASS
    for own in ("same-origin", "none", None):
        assert decide(LOCAL, ask(site=own)) is Verdict.PASS


@pytest.mark.parametrize("path", ["/api/v1/lobbies", "/api", "/whep/k", "/metrics", "/openapi.json"])
def test_the_token_guards(path: str) -> None:
    assert decide(LOCKED, ask(path)) is Verdict.TOKEN_MISSING
    for wrong in ("Basic abc", "Bearer", "Bearer ", TOKEN):
        assert decide(LOCKED, ask(path, authorization=wrong)) is Verdict.TOKEN_MISSING
    assert decide(LOCKED, ask(path, authorization=f"Bearer {TOKEN}x")) is Verdict.TOKEN_WRONG
    assert decide(LOCKED, ask(path, authorization=f"bearer {TOKEN}")) is Verdict.PASS


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/docs", "/docs/docs.js", "/metricsx"])
def test_the_page_itself_is_open(path: str) -> None:
    assert decide(LOCKED, ask(path)) is Verdict.PASS


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_nobody_without_the_token_comes_in(host: str, origin: str, site: str, authorization: str) -> None:
    asked = Asked("GET", "/api/v1/lobbies", "http", host, origin, site, "cors", authorization)
    assert decide(LOCKED, asked) is not Verdict.PASS


def test_a_hash_does_as_well_as_the_token() -> None:
    rules = rules_from(Settings(auth=AuthSettings(token_hash=hash_token(TOKEN).text())))
    assert decide(rules, ask(authorization=f"Bearer {TOKEN}")) is Verdict.PASS
    with pytest.raises(ConfigError):
        rules_from(Settings(auth=AuthSettings(token_hash="nonsense")))


def test_wrong_tokens_are_counted_by_address() -> None:
    attempts = Attempts(burst=3, every_s=5)
    for i in range(3):
        assert attempts.wait_s("10.0.0.1", 0) == 0
        attempts.wrong("10.0.0.1", f"t{i}", 0)
    assert attempts.wait_s("10.0.0.1", 0) == pytest.approx(5)
    assert attempts.wait_s("10.0.0.2", 0) == 0
    assert attempts.wait_s("10.0.0.1", 5) == 0


def test_the_same_wrong_token_again_locks_nobody_out() -> None:
    attempts = Attempts(burst=3)
    for _ in range(1000):
        attempts.wrong("10.0.0.1", "stale", 0)
    assert attempts.wait_s("10.0.0.1", 0) == 0


def test_an_ipv6_network_is_one_address_and_all_are_bounded() -> None:
    attempts = Attempts(burst=1)
    attempts.wrong("2001:db8::1", "a", 0)
    assert attempts.wait_s("2001:db8::ffff", 0) > 0
    for i in range(3 * ADDRESSES):
        attempts.wrong(f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}", "a", 0)
    assert len(attempts) == ADDRESSES


async def ask_locked(rules: Settings, headers: dict[str, str], path: str = "/api/v1/lobbies") -> httpx.Response:
    transport = httpx.ASGITransport(create_app(MemoryLobbies(), rules))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8800") as client:
        return await client.get(path, headers=headers)


async def test_the_door_says_what_it_wants() -> None:
    settings = Settings(auth=AuthSettings(token=SecretStr(TOKEN)))
    missing = await ask_locked(settings, {})
    assert (missing.status_code, missing.json()["code"]) == (401, "auth.missing")
    assert missing.headers["www-authenticate"] == 'Bearer realm="steadycast"'
    wrong = await ask_locked(settings, {"authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.wrong")
    assert "invalid_token" in wrong.headers["www-authenticate"]
    assert "wrong" not in wrong.json()["detail"].replace("The token is wrong", "")
    assert (await ask_locked(settings, {"authorization": f"Bearer {TOKEN}"})).status_code == 200
    assert (await ask_locked(settings, {}, "/docs")).status_code == 200


async def test_guessing_is_slowed_down() -> None:
    transport = httpx.ASGITransport(
        create_app(MemoryLobbies(), Settings(auth=AuthSettings(token=SecretStr(TOKEN)))), client=("10.0.0.9", 1)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8800") as client:
        answers = [
            await client.get("/api/v1/lobbies", headers={"authorization": f"Bearer guess-{i}"}) for i in range(20)
        ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["code"] == "auth.too_many"


async def test_tokens_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(auth=AuthSettings(token=SecretStr(TOKEN)))
    await ask_locked(settings, {"authorization": f"Bearer {TOKEN}"}, f"/api/v1/lobbies?token={TOKEN}")
    await ask_locked(settings, {"authorization": "Bearer hunter2hunter2"})
    written = "".join(capsys.readouterr())
    assert "auth.wrong" in written
    assert TOKEN not in written
    assert "hunter2" not in written


async def test_cors_for_allowed_origins_alone() -> None:
    settings = Settings(http=HttpSettings(allowed_origins=(HOME,)))
    transport = httpx.ASGITransport(create_app(MemoryLobbies(), settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8800") as client:
        asked = {"access-control-request-method": "POST"}
        preflight = await client.options("/whep/k", headers={"origin": HOME, **asked})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == HOME
        assert "If-Match" in preflight.headers["access-control-allow-headers"]
        assert "Origin" in preflight.headers["vary"]
        created = await client.post("/api/v1/lobbies", json=a_lobby(), headers={"origin": HOME})
        assert created.status_code == 201
        assert {"Location", "ETag"} <= set(created.headers["access-control-expose-headers"].split(", "))
        own = await client.get("/api/v1/lobbies", headers={"origin": "http://127.0.0.1:8800"})
        assert own.status_code == 200
        assert "access-control-allow-origin" not in own.headers
        foreign = await client.post("/api/v1/lobbies", json=a_lobby(), headers={"origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "origin.refused")
        assert "access-control-allow-origin" not in foreign.headers


async def test_every_answer_is_safe(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/lobbies", "/docs", "/nothing", "/metrics"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert (await client.get("/api/v1/lobbies")).headers["cache-control"] == "no-store"


def test_rules_hold_no_token() -> None:
    assert TOKEN not in repr(LOCKED)
    assert isinstance(LOCKED, Rules)
