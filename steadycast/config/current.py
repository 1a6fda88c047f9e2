"""The settings of a host that runs, as its rooms read them: from the same place each time, so that they may change.

Rooms take `HostSettings`. A host passes `CurrentSettings`, which is replaced at once when the config is read again;
tests and tools pass plain `Settings`. Who keeps a table or a value of it goes on with what was there then: `effects`
says for each setting when a change is seen.
"""

from __future__ import annotations

from typing import Protocol

from steadycast.config.encoder_settings import EncoderSettings, VendorsSettings
from steadycast.config.settings import (
    AdaptationSettings,
    AuthSettings,
    EgressSettings,
    FindingSettings,
    HttpSettings,
    LimitSettings,
    LobbySettings,
    RecycleSettings,
    RenditionSettings,
    Settings,
    SourceSettings,
    TrackingSettings,
    WebrtcSettings,
    WorkerSettings,
)


class HostSettings(Protocol):
    """The tables of `Settings` that are read while a host runs."""

    @property
    def host(self) -> str: ...
    @property
    def rtsp_port(self) -> int: ...
    @property
    def auth(self) -> AuthSettings: ...
    @property
    def http(self) -> HttpSettings: ...
    @property
    def webrtc(self) -> WebrtcSettings: ...
    @property
    def egress(self) -> EgressSettings: ...
    @property
    def renditions(self) -> RenditionSettings: ...
    @property
    def adaptation(self) -> AdaptationSettings: ...
    @property
    def sources(self) -> SourceSettings: ...
    @property
    def encoders(self) -> EncoderSettings: ...
    @property
    def vendors(self) -> VendorsSettings: ...
    @property
    def workers(self) -> WorkerSettings: ...
    @property
    def recycle(self) -> RecycleSettings: ...
    @property
    def tracking(self) -> TrackingSettings: ...
    @property
    def findings(self) -> FindingSettings: ...
    @property
    def limits(self) -> LimitSettings: ...
    @property
    def lobbies(self) -> tuple[LobbySettings, ...]: ...


class CurrentSettings:
    """What counts now. `now` is replaced as a whole, between two steps of the event loop: nobody sees half of it."""

    def __init__(self, settings: Settings) -> None:
        self.now = settings

    @property
    def host(self) -> str:
        return self.now.host

    @property
    def rtsp_port(self) -> int:
        return self.now.rtsp_port

    @property
    def auth(self) -> AuthSettings:
        return self.now.auth

    @property
    def http(self) -> HttpSettings:
        return self.now.http

    @property
    def webrtc(self) -> WebrtcSettings:
        return self.now.webrtc

    @property
    def egress(self) -> EgressSettings:
        return self.now.egress

    @property
    def renditions(self) -> RenditionSettings:
        return self.now.renditions

    @property
    def adaptation(self) -> AdaptationSettings:
        return self.now.adaptation

    @property
    def sources(self) -> SourceSettings:
        return self.now.sources

    @property
    def encoders(self) -> EncoderSettings:
        return self.now.encoders

    @property
    def vendors(self) -> VendorsSettings:
        return self.now.vendors

    @property
    def workers(self) -> WorkerSettings:
        return self.now.workers

    @property
    def recycle(self) -> RecycleSettings:
        return self.now.recycle

    @property
    def tracking(self) -> TrackingSettings:
        return self.now.tracking

    @property
    def findings(self) -> FindingSettings:
        return self.now.findings

    @property
    def limits(self) -> LimitSettings:
        return self.now.limits

    @property
    def lobbies(self) -> tuple[LobbySettings, ...]:
        return self.now.lobbies
