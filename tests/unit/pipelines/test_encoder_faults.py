"""What GStreamer and drivers leave behind when an encoder does not work, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import EncoderFault
from steadycast.pipelines.encoder_faults import Evidence, classify, refusal
from steadycast.pipelines.failures import Fault

LIBRARY, STREAM, CORE = "gst-library-error-quark", "gst-stream-error-quark", "gst-core-error-quark"
LEGACY = Fault(
    LIBRARY, 3, "Could not initialize supporting library.", "gstvideoencoder.c(1700):\nFailed to open encoder"
)
MODERN = Fault(STREAM, 8, "Could not encode stream.", "gstnvencoder.cpp(1250):\nFailed to open session")
NO_MEMORY = Fault("gst-resource-error-quark", 13, "Failed to allocate required memory.")
ECHO = Fault(STREAM, 1, "Internal data stream error.", "streaming stopped, reason not-negotiated (-4)")


def logged(line: str, *faults: Fault, opened: bool = False) -> EncoderFault:
    return classify(Evidence(faults or (MODERN, ECHO), (line,), opened=opened))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nvencoder: NvEnc API call failed: 0xa, NV_ENC_ERR_OUT_OF_MEMORY", EncoderFault.OUT_OF_MEMORY),
        ("nvencoder: NvEnc API call failed: 0x15, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY", EncoderFault.CLIENT_KEY),
        ("NvEnc API call failed: 0x15", EncoderFault.CLIENT_KEY),
        ("Failed to open session, status: NV_ENC_ERR_OUT_OF_MEMORY (10)", EncoderFault.OUT_OF_MEMORY),
        ("NvEncOpenEncodeSessionEx failed: codec h264, device 0, error code 21", EncoderFault.CLIENT_KEY),
        ("NvEncOpenEncodeSessionEx failed: codec h264, device 0, error code 2", EncoderFault.UNSUPPORTED),
        ("CreateBitstreamBuffer failed: out of memory (10)", EncoderFault.OUT_OF_MEMORY),
        ("NV_ENC_ERR_NO_ENCODE_DEVICE", EncoderFault.UNSUPPORTED),
        ("NV_ENC_ERR_UNSUPPORTED_DEVICE", EncoderFault.UNSUPPORTED),
        ("NV_ENC_ERR_DEVICE_NOT_EXIST", EncoderFault.DRIVER_LOST),
        ("NV_ENC_ERR_INVALID_VERSION", EncoderFault.VERSION),
        ("Driver does not support the required nvenc API version. Required: 12.0", EncoderFault.VERSION),
        ("cudautils: CUDA call failed: CUDA_ERROR_OUT_OF_MEMORY, out of memory", EncoderFault.OUT_OF_MEMORY),
        ("CUDA call failed: CUDA_ERROR_NOT_PERMITTED, operation not permitted", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: CUDA_ERROR_ILLEGAL_ADDRESS", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: CUDA_ERROR_LAUNCH_FAILED", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: CUDA_ERROR_NO_DEVICE", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: CUDA_ERROR_UNKNOWN", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: 719", EncoderFault.DRIVER_LOST),
        ("CUDA call failed: CUDA_ERROR_DEVICE_UNAVAILABLE", EncoderFault.OPEN),
        ("va: vaCreateContext: resource allocation failed", EncoderFault.OUT_OF_MEMORY),
        ("vaCreateConfig: the requested VAEntryPoint is not supported", EncoderFault.UNSUPPORTED),
        ("vaCreateConfig: the requested VAProfile is not supported", EncoderFault.UNSUPPORTED),
        ("nothing that is known", EncoderFault.OPEN),
    ],
)
def test_a_status_tells(line: str, fault: EncoderFault) -> None:
    assert logged(line) == fault


@pytest.mark.parametrize(
    ("evidence", "fault"),
    [
        (Evidence((LEGACY,)), EncoderFault.OPEN),
        (Evidence((MODERN, ECHO)), EncoderFault.OPEN),
        (Evidence((MODERN,), opened=True), EncoderFault.FAILED),
        (Evidence(missing=True), EncoderFault.MISSING),
        (Evidence((MODERN,), hung=True), EncoderFault.HUNG),
        (Evidence(silent=True), EncoderFault.FAILED),
        (Evidence((), ("NV_ENC_ERR_DEVICE_NOT_EXIST",), opened=True, silent=True), EncoderFault.DRIVER_LOST),
        (Evidence((Fault(LIBRARY, 5, "Could not configure supporting library."),)), EncoderFault.SETTINGS),
        (Evidence((Fault(CORE, 12, "Your GStreamer installation is missing a plug-in."),)), EncoderFault.MISSING),
        (Evidence((ECHO,)), EncoderFault.UNSUPPORTED),
        (Evidence((NO_MEMORY,)), EncoderFault.OUT_OF_MEMORY),
        (Evidence(), EncoderFault.OPEN),
    ],
)  # fmt: skip
def test_without_a_status_the_kind_of_error_tells(evidence: Evidence, fault: EncoderFault) -> None:
    assert classify(evidence) == fault


def test_the_first_status_counts_and_the_bus_before_the_log() -> None:
    lines = ("NV_ENC_ERR_OUT_OF_MEMORY", "CUDA_ERROR_UNKNOWN")
    assert classify(Evidence((MODERN,), lines)) == EncoderFault.OUT_OF_MEMORY
    echo = ("CUDA call failed: CUDA_ERROR_NO_DEVICE", "NvEnc API call failed: 0x15")
    assert classify(Evidence((MODERN,), echo)) == EncoderFault.CLIENT_KEY
    told = Fault(STREAM, 8, "Could not encode stream.", "Failed to open session: NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY")
    assert classify(Evidence((told,), lines)) == EncoderFault.CLIENT_KEY


@given(
    st.builds(
        Evidence,
        st.lists(st.builds(Fault, st.text(), st.integers(), st.text(), st.text(), st.text()), max_size=3).map(tuple),
        st.lists(
            st.text() | st.from_regex(r"(NvEnc API call failed: 0x[0-9a-f]{1,9}|CUDA error \d{1,9}|NV_ENC_ERR_[A-Z]+)"),
            max_size=3,
        ).map(tuple),
        st.booleans(), st.booleans(), st.booleans(), st.booleans(),
    )
)  # fmt: skip
def test_anything_is_some_fault_with_words(evidence: Evidence) -> None:
    error = refusal("nvh264enc", evidence)
    assert error.code == classify(evidence)
    assert error.what.startswith("nvh264enc")
    assert error.why
