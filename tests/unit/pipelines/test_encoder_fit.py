"""Rows of the table, fitted to elements of several generations, to odd ones, and to any at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import EncoderError
from steadycast.model import Codec, EncoderFault, EncoderOrder, Rendition
from steadycast.pipelines.fit import (
    ElementDescription,
    FittedEncoder,
    PropertyDescription,
    SinkDescription,
    Wanted,
    fit,
)
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.plan import Picture, plan_rendition, work
from steadycast.pipelines.recorded import RecordedElements
from steadycast.vendors.table import ROWS, Row, named, row

WANTED = Wanted(1280, 720, 30.0, 4000, 60, 2)
HD = Picture(1280, 720, 30.0)
NUMBER = PropertyDescription("int", low=0, high=100_000)


class FewElements:
    """Elements written down by hand."""

    def __init__(
        self, *described: ElementDescription, others: tuple[str, ...] = ("videoscale", "videoconvert")
    ) -> None:
        self._described = {one.factory: one for one in described}
        self._others = others

    def has(self, factory: str) -> bool:
        return factory in self._described or factory in self._others

    def describe(self, factory: str) -> ElementDescription | None:
        return self._described.get(factory)

    def names(self) -> tuple[str, ...]:
        return (*self._described, *self._others)


def row_of(entry: str) -> Row:
    found = row(entry)
    assert found is not None
    return found


def fitted(
    entry: str, version: str, element: str | None = None, options: Mapping[str, str] | None = None
) -> FittedEncoder:
    elements = RecordedElements(version)
    name = element or named(row_of(entry).elements)[0]
    described = elements.describe(name)
    assert described is not None, name
    return fit(row_of(entry), WANTED, described, elements, options)


def test_both_generations_of_nvenc_by_one_row() -> None:
    legacy, early = fitted("nvcodec-h264", "1.22"), fitted("nvcodec-h264", "1.22", "nvcudah264enc")
    new = fitted("nvcodec-h264", "1.28")
    same = {"bitrate": "4000", "gop-size": "60"}
    assert {**legacy.properties, **early.properties, **new.properties}.items() >= same.items()
    assert [one.properties["preset"] for one in (legacy, early, new)] == ["low-latency-hq", "low-latency-hq", "p3"]
    assert (legacy.properties["rc-mode"], early.properties["rate-control"], new.properties["rc-mode"]) == ("cbr",) * 3
    assert (legacy.properties["bframes"], early.properties["b-frames"]) == ("0", "0")
    assert "zerolatency" in legacy.properties
    assert "zero-reorder-delay" in early.properties
    assert new.properties["tune"] == "ultra-low-latency"
    for one in (legacy, early, new):
        assert (one.memory, one.format, one.notes) == ("memory:CUDAMemory", "NV12", ())
        assert {"bitrate", "max-bitrate"} <= set(one.live)


def test_an_option_that_only_tells_is_not_set() -> None:
    chosen = fitted("nvcodec-h264", "1.28", options={"cuda-device-id": "0"})
    assert "cuda-device-id" not in chosen.properties
    free = fitted("nvcodec-h264", "1.28", "nvautogpuh264enc", {"cuda-device-id": "1", "nothing": "2"})
    assert free.properties["cuda-device-id"] == "1"
    assert free.notes == ("the device is not set: nvautogpuh264enc has no property nothing",)


def test_va_feeds_its_second_device_by_that_device() -> None:
    chosen = fitted("va-h264-lp", "1.26", "varenderD129h264lpenc")
    assert chosen.front == ("varenderD129postproc",)
    assert chosen.properties["rate-control"] == "cbr"
    assert chosen.properties["key-int-max"] == "60"


def test_units() -> None:
    assert fitted("x264", "1.22").properties["bitrate"] == "4000"  # kbit/s
    assert fitted("openh264", "1.22").properties["bitrate"] == "4000000"  # bit/s
    assert fitted("mf-h264", "1.26").properties["vbv-buffer-size"] == "200000"  # bytes: 400 ms of 4 Mbit/s
    assert fitted("vt-h264", "1.26").properties["max-keyframe-interval-duration"] == "2000000000"  # ns
    assert "video_bitrate=4000000," in fitted("v4l2-h264", "1.24").properties["extra-controls"]


@pytest.mark.parametrize("version", ["1.22", "1.24", "1.26", "1.28"])
def test_every_recorded_element_is_set_up(version: str) -> None:
    elements, known = RecordedElements(version), 0
    for one in ROWS:
        for name in named(one.elements):
            described = elements.describe(name)
            if described is None:
                continue
            known += 1
            result = fit(one, WANTED, described, elements)
            assert not result.notes, (name, result.notes)
            assert set(result.properties) <= set(described.properties)
    assert known > 15


def test_what_is_missing_is_noted_and_numbers_are_bounded() -> None:
    bare = ElementDescription(
        "x264enc",
        {
            "bitrate": dataclasses.replace(NUMBER, high=1000),
            "key-int-max": NUMBER,
            "speed-preset": PropertyDescription("enum", ("fast", "slow")),
            "bframes": dataclasses.replace(NUMBER, writable=False),
        },
        (SinkDescription(None, ("NV12",)),),
    )
    result = fit(row_of("x264"), WANTED, bare, FewElements(bare))
    assert result.properties == {"bitrate": "1000", "key-int-max": "60"}
    assert result.format == "NV12"
    text = "\n".join(result.notes)
    for expected in ("bitrate is 1000 instead of 4000", "does not take speed-preset=superfast", "has no property tune"):
        assert expected in text
    assert "threads" not in text, "that it has no threads changes nothing of the stream"


def test_zero_copy_needs_its_converters() -> None:
    element = ElementDescription(
        "nvh264enc", {}, (SinkDescription("memory:CUDAMemory", ("NV12",)), SinkDescription(None, ("NV12",)))
    )
    without = fit(row_of("nvcodec-h264"), WANTED, element, FewElements(element))
    assert (without.memory, without.front) == (None, ("videoscale", "videoconvert"))
    assert any("cudaupload, which is not installed" in note for note in without.notes)
    older = FewElements(element, others=("videoscale", "videoconvert", "cudaupload", "cudaconvert", "cudascale"))
    assert fit(row_of("nvcodec-h264"), WANTED, element, older).front == ("cudaupload", "cudaconvert", "cudascale")


NAMES = sorted({way.property for one in ROWS for setting in one.settings for way in setting.tries})
bounds = st.none() | st.floats(-1e9, 1e9)
descriptions = st.builds(
    ElementDescription,
    st.sampled_from([name for one in ROWS for name in named(one.elements)]),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.builds(
            PropertyDescription,
            st.sampled_from(["int", "float", "bool", "enum", "flags", "string", "other"]),
            st.lists(st.sampled_from(["cbr", "vbr", "p1", "superfast", "zerolatency"])).map(tuple),
            bounds, bounds, st.booleans(), st.booleans(),
        ),
    ),
    st.lists(
        st.builds(
            SinkDescription,
            st.none() | st.sampled_from(["memory:CUDAMemory", "memory:VAMemory"]),
            st.lists(st.sampled_from(["NV12", "I420"])).map(tuple),
        )
    ).map(tuple),
)  # fmt: skip


@given(
    st.sampled_from(ROWS),
    descriptions,
    st.builds(
        Wanted, st.integers(2, 7680), st.integers(2, 4320), st.floats(0.1, 240), st.integers(50, 100_000),
        st.integers(1, 600), st.integers(1, 4), st.booleans(),
    ),
    st.dictionaries(st.sampled_from([*NAMES, "device"]), st.text(max_size=5)),
)  # fmt: skip
def test_any_description_gives_an_encoder(
    one: Row, described: ElementDescription, asked: Wanted, options: dict[str, str]
) -> None:
    result = fit(one, asked, described, FewElements(described), options)
    for name in result.properties:
        assert described.properties[name].writable
    assert set(result.live) <= set(result.properties)
    assert result.memory in {path.feature for path in one.paths}
    assert not any("{" in value for value in result.properties.values() if value not in options.values())


def order(entry: str, *elements: str, **more: str) -> EncoderOrder:
    one = row_of(entry)
    return EncoderOrder("device", one.family, one.codec, entry, elements or named(one.elements), **more)  # type: ignore[arg-type]


def test_a_plan_on_cuda_says_where_pictures_are() -> None:
    gpu = dataclasses.replace(order("nvcodec-h264"), options={"cuda-device-id": "1"})
    plan = plan_rendition(Rendition("main"), HD, Limits(), gpu, RecordedElements("1.24"))
    factories = [part.factory for part in plan.chain]
    assert factories == [
        "queue",
        "cudaupload",
        "cudaconvertscale",
        "capsfilter",
        "nvh264enc",
        "capsfilter",
        "h264parse",
    ]
    assert plan.chain[3].properties["caps"].startswith("video/x-raw(memory:CUDAMemory),format=NV12,width=1280")
    assert (plan.memory, plan.element) == ("memory:CUDAMemory", "nvh264enc")


def test_memory_may_move_behind_the_caps() -> None:
    plan = plan_rendition(Rendition("main"), HD, Limits(), order("vulkan-h264"), RecordedElements("1.28"))
    factories = [part.factory for part in plan.chain]
    assert factories.index("vulkanupload") > factories.index("capsfilter")
    assert "memory" not in plan.chain[factories.index("capsfilter")].properties["caps"]
    assert plan.memory == "memory:VulkanImage"


def test_the_first_element_that_is_there_is_taken() -> None:
    chosen = order("nvcodec-h264", "nvcudah264enc", "nvh264enc")
    assert plan_rendition(Rendition("r"), HD, Limits(), chosen, RecordedElements("1.28")).element == "nvh264enc"
    with pytest.raises(EncoderError) as caught:
        plan_rendition(Rendition("r"), HD, Limits(), order("svtav1"), RecordedElements("1.22"))
    assert caught.value.code == EncoderFault.MISSING
    with pytest.raises(EncoderError) as caught:
        plan_rendition(Rendition("r"), HD, Limits(), dataclasses.replace(chosen, entry="x"), RecordedElements("1.22"))
    assert caught.value.code == EncoderFault.SETTINGS


def test_newer_codecs_need_fewer_bits() -> None:
    made = {
        codec: work(Rendition("r", codec), HD, Limits()).bitrate_kbps  # type: ignore[arg-type]
        for codec in (Codec.H264, Codec.H265, Codec.VP9, Codec.AV1)
    }
    assert made[Codec.H264] > made[Codec.VP9] > made[Codec.H265] > made[Codec.AV1]
    assert work(Rendition("r", "av1", bitrate_kbps=777), HD, Limits()).bitrate_kbps == 777
    assert work(Rendition("r"), Picture(640, 360), Limits()).pixels_per_s == 640 * 360 * 25
