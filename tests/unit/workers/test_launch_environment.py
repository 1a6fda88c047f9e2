"""What children and programs inherit of our environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.workers.display_child import clean_environment
from steadycast.workers.launch import PACKAGE_ROOT, environment

OWN = {"PATH": "/bin", "STEADYCAST_AUTH__TOKEN": "secret", "STEADYCAST_WORKER": "other-1", "AWS_SECRET": "secret"}


def test_a_child_gets_no_setting_of_ours() -> None:
    made = environment(OWN, {"STEADYCAST_WORKER": "lobby-2"})
    assert made["STEADYCAST_WORKER"] == "lobby-2"
    assert "STEADYCAST_AUTH__TOKEN" not in made
    assert made["PATH"] == "/bin"
    assert made["PYTHONPATH"] == str(PACKAGE_ROOT)


def test_gpus_are_counted_as_the_driver_counts_them() -> None:
    assert environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_python_path_is_kept() -> None:
    assert environment({"PYTHONPATH": "/x"}, {})["PYTHONPATH"] == f"{PACKAGE_ROOT}:/x"


@given(st.dictionaries(st.sampled_from(["STEADYCAST_CHILD", "TOKEN", "LD_PRELOAD", "HOME", "LC_ALL"]), st.text()))
def test_a_program_gets_only_what_is_named(own: dict[str, str]) -> None:
    made = clean_environment(OWN | own, {"DISPLAY": ":7"})
    assert set(made) <= {"PATH", "HOME", "LC_ALL", "STEADYCAST_WORKER", "DISPLAY"}
    assert made["DISPLAY"] == ":7"
