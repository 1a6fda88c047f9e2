"""What a lobby may be: sizes, commands, files, camera addresses; and what is masked of it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.settings import LobbySettings, Settings
from steadycast.errors import CallerError
from steadycast.lobbies.mask import MASK, masked_source, masked_url, scrubbed
from steadycast.lobbies.rules import HostFacts, camera_address, check_camera, check_file, check_request
from steadycast.lobbies.vetting import Vetting
from steadycast.model import RtspSource

SETTINGS = Settings.model_validate({"sources": {"applications": {"clock": ["xclock"]}}})
OPEN = Settings.model_validate({"sources": {"any_command": True}})
FACTS = HostFacts(frozenset({ipaddress.ip_address("192.0.2.7")}), frozenset({8800, 8554}))


def request(source: dict[str, Any], **more: Any) -> LobbySettings:
    return LobbySettings.model_validate({"name": "x", "source": source, **more})


def refused(source: dict[str, Any], settings: Settings = SETTINGS, **more: Any) -> CallerError:
    with pytest.raises(CallerError) as error:
        check_request(request(source, **more), settings)
    assert error.value.hint
    return error.value


@pytest.mark.parametrize(
    ("source", "more", "code", "field"),
    [
        ({"kind": "test", "width": 17, "height": 20}, {}, "size.odd", "source.width"),
        ({"kind": "desktop", "application": "clock", "height": 33}, {}, "size.odd", "source.height"),
        ({"kind": "desktop"}, {}, "source.command", "source"),
        ({"kind": "desktop", "application": "clock", "command": ["x"]}, {}, "source.command", "source"),
        ({"kind": "desktop", "application": "nope"}, {}, "source.application", "source.application"),
        ({"kind": "desktop", "command": ["xterm"]}, {}, "source.command", "source.command"),
        ({"kind": "test"}, {"key": "l_abcdefghijkm"}, None, None),
        ({"kind": "test"}, {"renditions": [{"name": "a"}, {"name": "a"}]}, "rendition.name", "renditions[1].name"),
        ({"kind": "test"}, {"renditions": [{"name": "audio"}]}, "rendition.name", "renditions[0].name"),
        ({"kind": "test"}, {"renditions": [{"name": "a/b"}]}, "rendition.name", "renditions[0].name"),
        ({"kind": "test"}, {"renditions": [{"name": "c", "codec": "copy"}]}, "rendition.copy", "renditions[0].codec"),
        ({"kind": "test"}, {"renditions": [{"name": "a", "width": 33}]}, "size.odd", "renditions[0].width"),
        ({"kind": "test"}, {"renditions": [{"name": f"r{i}"} for i in range(9)]}, "rendition.count", "renditions"),
    ],
)
def test_what_cannot_work_is_refused_with_field_and_what_is_allowed(
    source: dict[str, Any], more: dict[str, Any], code: str | None, field: str | None
) -> None:
    if code is None:
        assert refused(source, **more).code == "key.reserved"
    else:
        error = refused(source, **more)
        assert error.code == code and error.what.startswith(f"{field}:")


def test_what_can_work_is_taken() -> None:
    check_request(request({"kind": "test"}, renditions=[{"name": "main"}, {"name": "low", "width": 320}]), SETTINGS)
    check_request(request({"kind": "desktop", "application": "clock"}), SETTINGS)
    check_request(request({"kind": "desktop", "command": ["sh", "-c", "exit 3"]}), OPEN)
    check_request(request({"kind": "rtsp", "url": "rtsp://h/x"}, renditions=[{"name": "copy", "codec": "copy"}]), OPEN)


@pytest.mark.parametrize(
    "url",
    [
        "http://host/x",
        "file:///etc/passwd",
        "rtspt://host/x",
        "unix:/run/x.sock",
        "rtsp:/host/x",
        "rtsp:///x.mp4",
        "rtsp://host:0/",
        "rtsp://host:99999/",
        "rtsp://a@b@host/",
        "rtsp://evil\\@127.0.0.1:8800/",
        "rtsp://host/a b",
        "rtsp://host/\n",
        "rtsp://höst/",
        "rtsp://[::1/x",
    ],
)
def test_addresses_that_readers_may_read_differently_are_refused(url: str) -> None:
    with pytest.raises(CallerError) as error:
        camera_address(RtspSource(url))
    assert error.value.what.startswith("source.url:")


def test_camera_addresses() -> None:
    assert camera_address(RtspSource("rtsp://user:p%40ss@cam.lan/x?y=1")) == ("cam.lan", 554)
    assert camera_address(RtspSource("RTSPS://[fe80::1]:7441/x")) == ("fe80::1", 7441)


@pytest.mark.parametrize(
    ("address", "port", "fine"),
    [
        ("127.0.0.1", 9000, True),
        ("127.0.0.1", 8800, False),
        ("127.9.9.9", 8554, False),
        ("::1", 8554, False),
        ("::ffff:127.0.0.1", 8554, False),
        ("0.0.0.0", 8800, False),
        ("192.0.2.7", 8554, False),
        ("192.0.2.8", 8554, True),
        ("10.1.2.3", 554, True),
        ("169.254.169.254", 80, False),
        ("fe80::1", 554, False),
        ("fd00:ec2::254", 80, False),
        ("224.0.0.1", 554, False),
        ("255.255.255.255", 554, False),
    ],
)
def test_cameras_cannot_reach_this_host_or_metadata(address: str, port: int, fine: bool) -> None:
    addresses = [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address(address)]
    if fine:
        check_camera("cam", port, addresses, FACTS)
        return
    with pytest.raises(CallerError) as error:
        check_camera("cam", port, addresses, FACTS)
    assert error.value.code == "source.address" and error.value.status == 403


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST.", "a.localhost", "cam.localhost."])
def test_names_of_loopback_are_this_host_whatever_they_resolve_to(name: str) -> None:
    with pytest.raises(CallerError, match="this host itself"):
        check_camera(name, 8554, [], FACTS)
    check_camera(name, 8555, [], FACTS)
    check_camera("notlocalhost", 8554, [], FACTS)


async def test_names_are_resolved_before_they_are_judged() -> None:
    vet = Vetting(SETTINGS, frozenset({8554}))
    with pytest.raises(CallerError, match="this host itself"):
        await vet(request({"kind": "rtsp", "url": "rtsp://localhost:8554/test"}))
    with pytest.raises(CallerError, match="this host itself"):
        await vet(request({"kind": "rtsp", "url": "rtsp://2130706433:8554/test"}))  # 127.0.0.1 as one number
    await vet(request({"kind": "rtsp", "url": "rtsp://127.0.0.1:8555/test"}))
    await vet(request({"kind": "rtsp", "url": "rtsp://does-not-exist.invalid/test"}))  # away, not wrong


async def test_files_only_below_the_folders_links_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "films", tmp_path / "secret.mp4"
    folder.mkdir()
    outside.write_text("x")
    (folder / "film.mp4").write_text("x")
    (folder / "link.mp4").symlink_to(outside)
    (folder / "inner.mp4").symlink_to(folder / "film.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    vet = Vetting(Settings.model_validate({"sources": {"file_folders": [str(folder)]}}), frozenset())
    for name in ("film.mp4", "inner.mp4"):
        await vet(request({"kind": "file", "path": str(folder / name)}))
    bad = ["link.mp4", "../secret.mp4", "loop.mp4", "none.mp4", ".", "a\0b", "x" * 3000]
    for name in bad:
        with pytest.raises(CallerError):
            await vet(request({"kind": "file", "path": f"{folder}/{name}"}))
    with pytest.raises(CallerError, match="outside"):
        await Vetting(SETTINGS, frozenset())(request({"kind": "file", "path": str(folder / "film.mp4")}))


def test_a_folder_is_no_prefix_of_text() -> None:
    with pytest.raises(CallerError):
        check_file(Path("/srv/films2/x"), Path("/srv/films2/x"), [Path("/srv/films")])


WORD = st.text("abcXYZ019-._~!$&'()*+,;=%20", min_size=3, max_size=20)


@given(WORD, WORD)
def test_no_credential_is_shown(user: str, password: str) -> None:
    source = RtspSource(f"rtsp://{user}:{password}@camera.example/stream")
    shown = str(masked_source(source))
    said = scrubbed(f"401 from {source.url} ({user}:{password})", source) or ""
    for text in (shown, said):
        assert f"{user}:{password}" not in text and f":{password}@" not in text
        assert MASK in text


def test_credentials_in_the_query_are_masked_and_the_rest_stays() -> None:
    url = "rtsp://cam/live?user=me&password=pw&channel=1&authbasic=64"
    assert masked_url(url) == f"rtsp://cam/live?user={MASK}&password={MASK}&channel=1&authbasic={MASK}"
    assert masked_url("rtsp://cam:554/a@b") == "rtsp://cam:554/a@b"
