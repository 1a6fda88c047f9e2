"""Messages between the control plane and a lobby worker."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import EncoderOrder, EncoderReport, Rendition, Source, TrackInfo

# --- control plane -> lobby worker ---


@dataclass(frozen=True, slots=True)
class ShowSource:
    """Build the source and play it. Answered at once; then `SourceReady` or `SourceFailed` follow within the deadline.

    `display` and `xauthority` are given for a desktop source. Sizes in bytes, times in seconds.
    """

    lobby: str
    source: Source
    display: str | None = None
    xauthority: str | None = None
    mtu: int = 1200
    keyframe_s: float = 2.0
    bits_per_pixel: float = 0.09
    timeout_s: float = 8.0
    reference_mb: float = 50.0  # for the reference frames of an encoder
    open_s: float = 5.0  # from opening an encoder until it is open; then it counts as hung
    epoch: str = ""  # names the clock of its tracks; kept for `LobbyStock`
    began: float | None = None  # of a file that another worker showed: when its beginning was, on the monotonic clock
    heir_of: str | None = None  # of a push source that another worker shows: where that one listens for producers


@dataclass(frozen=True, slots=True)
class OpenRendition:
    """Start a rendition. Answered with `{"track": TrackInfo, "report": EncoderReport or None}` when its first packet
    is made, or with `Failed` of an `EncoderError`; then nothing of it stays.

    `instance` names this try in all later messages in place of the rendition's name: a rendition that moves to another
    encoder is open twice for a moment. `order` is None for a copy. Opening an instance twice is no error.
    """

    rendition: Rendition
    instance: str
    order: EncoderOrder | None = None


@dataclass(frozen=True, slots=True)
class ParkRendition:
    """Let the readers of an instance go and feed its encoder nothing, so that it costs no CPU. Answered when it rests;
    parking twice is no error."""

    instance: str


@dataclass(frozen=True, slots=True)
class TakeOverRendition:
    """Feed a parked instance again, for `rendition`. Answered as `OpenRendition`, when its first packet is there for
    readers: of a keyframe with its headers, of a picture from after this message. Else `Failed`, with
    `rendition.not_reusable` or of an `EncoderError`; then nothing of the instance stays."""

    rendition: Rendition
    instance: str


@dataclass(frozen=True, slots=True)
class CloseRendition:
    """End an instance of a rendition. Answered when its elements are gone."""

    name: str


@dataclass(frozen=True, slots=True)
class RetuneRendition:
    """Bring an instance that is open to this rendition while it plays: nothing but the bitrate may differ.

    `bitrate_kbps` is what is made of it for now in place of its own bitrate; None: its own. Answered with `Retuned`
    (its `why`: nothing was changed), or with `Failed`.
    """

    instance: str
    rendition: Rendition
    bitrate_kbps: int | None = None


@dataclass(frozen=True, slots=True)
class AttachReader:
    """Send a track's packets into the Unix stream socket that comes with this message (one descriptor)."""

    track: str
    reader: str


@dataclass(frozen=True, slots=True)
class DetachReader:
    """Stop sending to a reader and close its socket."""

    track: str
    reader: str


@dataclass(frozen=True, slots=True)
class ForceKeyframe:
    """Make the next frame of a track a keyframe (at most twice a second; ignored for `copy`). Not answered."""

    track: str


@dataclass(frozen=True, slots=True)
class Press:
    """How short of memory the host is (`leases.pools.Pressure`). Not answered; only staging buffers hear it."""

    level: int


@dataclass(frozen=True, slots=True)
class CountObjects:
    """How many GStreamer objects live there? Answered with `{"objects": {type: count}}`; None: they are not counted."""


@dataclass(frozen=True, slots=True)
class ProveKeyframe:
    """A request: decode one keyframe beside the pipeline, and throw it away. `track` None: of whatever is open, or else
    what the source shows (a raw picture that comes is proof enough). Waits `seconds` for a keyframe.

    Answered with `{"decoded": bool, "width": ..., "height": ..., "why": why it was not}`.
    """

    seconds: float
    track: str | None = None


# --- lobby worker -> control plane ---


@dataclass(frozen=True, slots=True)
class SourceReady:
    """The source shows. `tracks` can be read without opening a rendition: `copy` and `audio`, where they exist.

    Sent again when what is known of it changes (`reorders` was found out, say).
    """

    tracks: tuple[TrackInfo, ...]
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The source does not show (any more), in the words of the source. Nothing runs; the worker waits for `End`.

    `retry` says whether trying again can help (a camera that went away: yes; a file that is no media: no). `hung`:
    something in the worker, or in what it shows, hangs.
    """

    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry: bool = False
    hung: bool = False


@dataclass(frozen=True, slots=True)
class RenditionFailed:
    """An instance that was open failed by itself, and is closed. `code` is a value of `EncoderFault`."""

    instance: str
    code: str
    what: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class EncoderReported:
    """More is known of an instance's encoder than when it was opened (its negotiated memory)."""

    instance: str
    report: EncoderReport
