"""Settings: file, environment and command line, which wins, and what is said when something is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import steadycast.config
from steadycast.config.load import from_environment, load
from steadycast.config.settings import LobbySettings
from steadycast.errors import ConfigError
from steadycast.model import DesktopSource, TestSource

EXAMPLE = Path(steadycast.config.__file__).parent / "example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "steadycast.toml"
    path.write_text(text)
    return path


def refused(path: Path | None, environment: dict[str, str] | None = None, **overrides: Any) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, environment or {}, overrides)
    assert "\n" not in error.value.what
    return error.value.what


def test_each_egress_worker_needs_a_port(tmp_path: Path) -> None:
    line = refused(written(tmp_path, "egress.workers = 3\nwebrtc.udp_ports = [50000, 50001]"))
    assert line == "webrtc.udp_ports: 2 for 3 egress workers (egress.workers); each needs one."


@pytest.mark.parametrize("name", ["Haustür", "玄関", "👨\u200d👩\u200d👧", "a & b <c>", "می\u200cخواهم"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert LobbySettings.model_validate({"name": name, "source": {"kind": "test"}}).name == name


def test_without_a_file_there_are_a_test_picture_and_a_desktop() -> None:
    settings = load(None, {})
    assert [lobby.key for lobby in settings.lobbies] == ["test", "desktop"]
    assert isinstance(settings.lobbies[0].source, TestSource)
    desktop = settings.lobbies[1].source
    assert isinstance(desktop, DesktopSource) and desktop.application in settings.sources.applications
    assert settings.host == "127.0.0.1" and settings.port == 8800 and settings.rtsp_port == 8554


def test_command_line_beats_environment_beats_file(tmp_path: Path) -> None:
    path = written(tmp_path, "port = 1\nrtsp_port = 2\nhost = '127.0.0.2'\n[limits]\nlobbies = 3\nviewers = 4\n")
    environment = {"STEADYCAST_PORT": "11", "STEADYCAST_RTSP_PORT": "12", "STEADYCAST_LIMITS__LOBBIES": "13"}
    settings = load(path, environment, {"port": 21, "rtsp_port": None})
    assert (settings.port, settings.rtsp_port, settings.host) == (21, 12, "127.0.0.2")
    assert (settings.limits.lobbies, settings.limits.viewers) == (13, 4)


def test_environment_takes_texts_numbers_and_json(tmp_path: Path) -> None:
    environment = {
        "STEADYCAST_AUTH__TOKEN": "12345678901234567890",  # a text, though it looks like a number
        "STEADYCAST_WEBRTC__UDP_PORTS": "[50000, 50010]",
        "STEADYCAST_SOURCES__ANY_COMMAND": "true",
        "STEADYCAST_STATE": "/somewhere",
        "STEADYCAST_URL": "for other commands",
        "STEADYCAST_VENV": "for the set-up",
        "PATH": "/bin",
    }
    settings = load(None, environment)
    assert settings.auth.token is not None and settings.auth.token.get_secret_value() == "12345678901234567890"
    assert settings.webrtc.udp_ports == (50000, 50010)
    assert settings.sources.any_command and settings.state == Path("/somewhere")
    assert settings.lobbies  # the defaults stay


def test_the_config_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    assert load(None, {"STEADYCAST_CONFIG": str(written(tmp_path, "port = 5"))}).port == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", ("prot", "no such key", "'port'")),
        ("port = 70000", ("port", "65535")),
        ("port = 'many'", ("port", "integer")),
        ("[limits]\nlobbys = 1", ("limits.lobbys", "'lobbies'")),
        ("[[lobbies]]\nname = 'x'\nsource = { kind = 'tset' }", ("lobbies.0.source", "kind", "'test'")),
        ("[[lobbies]]\nname = 'x'\nsource = { kind = 'test', widht = 2 }", ("source.widht", "'width'")),
        ("[[lobbies]]\nname = 'x'\nsource = { kind = 'test', width = 1 }", ("source.width", "16")),
        ("[[lobbies]]\nsource = { kind = 'test' }", ("lobbies.0.name", "missing")),
        ("[[lobbies]]\nname = 'x'\nkey = '../x'\nsource = { kind = 'test' }", ("lobbies.0.key",)),
        ("lobbies = [{key='a',name='a',source={kind='test'}}, {key='a',name='b',source={kind='test'}}]", ("twice",)),
        ("port = = 1", ("not TOML", "line 1")),
        ("lobbies = 3", ("lobbies:", "must be a list")),
        ("http = 3", ("http:", "must be a table")),
        ("log_format = 3", ("log_format:", "'text'", "'json'")),
        ("[[lobbies]]\nname = 'x'\nsource = 'test'", ("lobbies.0.source:", "must be a table")),
        ("[[lobbies]]\nname = 'x'\nsource = { width = 64 }", ("'kind' is missing", "'rtsp'")),
        ("[[lobbies]]\nname = 'x'\nsource = { kind = 'desktop', command = 'ls' }", ("source.command", "a list")),
        ('[[lobbies]]\nname = "a\\nb"\nsource = { kind = "test" }', ("lobbies.0.name", "control characters")),
        ('[[lobbies]]\nname = "\\u202ea"\nsource = { kind = "test" }', ("lobbies.0.name", "control characters")),
        ("[[lobbies]]\nname = ' '\nsource = { kind = 'test' }", ("lobbies.0.name", "something to read")),
        ("[sources.applications]\nx = 'xclock'", ("sources.applications.x", "must be a list")),
        ("[sources.applications]\nx = []", ("sources.applications.x", "at least 1")),
        ("[sources]\nrtsp_backoff_s = [15, 1]", ("rtsp_backoff_s", "the first is above the second")),
        ("[webrtc]\nudp_ports = [50010, 50000]", ("webrtc.udp_ports", "the first is above the second")),
        ("[webrtc]\nudp_ports = [0, 50000]", ("webrtc.udp_ports", "only one of the two is 0")),
        ("[webrtc]\npublic_address = 'example.org'", ("webrtc.public_address", "IP address")),
        ("[[webrtc.ice_servers]]\nurl = 'http://x'", ("webrtc.ice_servers.0.url", "stun")),
        ("[http]\nallowed_origins = ['*']", ("http.allowed_origins.0", "https?")),
    ],
)
def test_errors_name_key_fault_and_what_is_allowed(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = written(tmp_path, text)
    line = refused(path)
    for word in words:
        assert word in line
    assert str(path) in line or "twice" in line


def test_errors_name_where_the_value_came_from(tmp_path: Path) -> None:
    path = written(tmp_path, "port = 1")
    assert refused(path, {"STEADYCAST_PORT": "x"}).startswith("the environment: port")
    assert refused(path, {"STEADYCAST_PORT": "1"}, port=-1).startswith("the command line: port")
    assert "'port'" in refused(path, {"STEADYCAST_PRT": "1"})


def test_no_secret_is_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, "[auth]\ntoken = ['hunter2hunter2hunter2']")
    assert "hunter2" not in refused(path)


def test_unreadable_files(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.toml")
    assert "directory" in refused(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(tmp_path / "binary.toml")


def test_environment_conflict_is_said() -> None:
    with pytest.raises(ConfigError):
        from_environment({"STEADYCAST_AUTH": "x", "STEADYCAST_AUTH__TOKEN": "y"})


def test_the_example_loads_and_is_the_reference() -> None:
    """Every key of the settings is in the example, set or commented, with its default."""
    settings = load(EXAMPLE, {})
    assert [lobby.key for lobby in settings.lobbies] == ["test", "clock"]
    text = EXAMPLE.read_text()
    shown = tomllib.loads(text)
    for table, defaults, loaded, given in _tables(settings, shown):
        for name in type(defaults).model_fields:
            assert f"{name} = " in text or f"{table}{name}]" in text or f"[{table}{name}." in text, f"{table}{name}"
            if name in given and name not in ("lobbies", "applications") and not isinstance(given[name], dict):
                assert getattr(loaded, name) == getattr(defaults, name), f"{table}{name} is no default"


def test_the_commented_lobbies_of_the_example_load_too() -> None:
    lines = EXAMPLE.read_text().split("# [[lobbies]]", 1)[1].splitlines()
    uncommented = "[[lobbies]]\n" + "\n".join(line.removeprefix("# ") for line in lines)
    for lobby in tomllib.loads(uncommented)["lobbies"]:
        LobbySettings.model_validate(lobby)


def _tables(
    model: BaseModel, shown: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, BaseModel, BaseModel, dict[str, Any]]]:
    """Each table by its path: the defaults, what was loaded, and what the text sets."""
    yield path, type(model)(), model, shown
    for name in type(model).model_fields:
        if isinstance(value := getattr(model, name), BaseModel):
            yield from _tables(value, shown.get(name, {}), f"{path}{name}.")
