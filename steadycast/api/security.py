"""Who may come in from where: pure decisions about one request's headers. The guard acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from steadycast.config.addresses import is_loopback, needed_token
from steadycast.config.current import HostSettings
from steadycast.config.tokens import TokenHash

# Behind the token. The page and the rendering of the API description hold no secrets and ask for the token themselves.
GUARDED = ("/api", "/whep", "/metrics", "/openapi.json")
ALLOWED_METHODS = "GET, POST, PATCH, DELETE, OPTIONS"
ALLOWED_HEADERS = "Authorization, Content-Type, If-Match, Last-Event-ID"
EXPOSED_HEADERS = "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say: `hosts` are the names a Host header may have (None: any), `origins` other web origins."""

    token: TokenHash | None
    hosts: frozenset[str] | None
    origins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of itself. None: the header was not sent."""

    method: str
    path: str
    scheme: str = "http"
    host: str | None = None
    origin: str | None = None
    site: str | None = None  # Sec-Fetch-Site
    mode: str | None = None  # Sec-Fetch-Mode
    authorization: str | None = None
    preflight: bool = False  # OPTIONS with Access-Control-Request-Method


class Verdict(StrEnum):
    """What to do with a request."""

    PASS = "pass"
    PREFLIGHT = "preflight"  # answer the CORS question: yes
    HOST_REFUSED = "host.refused"
    ORIGIN_REFUSED = "origin.refused"
    TOKEN_MISSING = "auth.missing"
    TOKEN_WRONG = "auth.wrong"


def rules_from(settings: HostSettings) -> Rules:
    """Raises ConfigError where the token or its hash is no good, or missing where it is needed."""
    token = needed_token(settings)
    origins = frozenset(origin.rstrip("/").lower() for origin in settings.http.allowed_origins)
    hosts: frozenset[str] | None = None
    if is_loopback(settings.host):
        # A reverse proxy on this machine passes its own Host on; its origin is named in the settings.
        proxies = {name for name in (urlsplit(origin).hostname for origin in origins) if name}
        hosts = _LOOPBACK | {settings.host.lower()} | proxies
    return Rules(token, hosts, origins)


def decide(rules: Rules, asked: Asked) -> Verdict:
    """Host first (DNS rebinding), then origin, then token: a foreign page learns nothing about tokens."""
    if rules.hosts is not None and _name(asked.host) not in rules.hosts:
        return Verdict.HOST_REFUSED
    if not _origin_fits(rules, asked):
        return Verdict.ORIGIN_REFUSED
    if asked.preflight and asked.origin is not None:
        return Verdict.PREFLIGHT
    if rules.token is None or not is_guarded(asked.path):
        return Verdict.PASS
    sent = bearer(asked.authorization)
    if sent is None:
        return Verdict.TOKEN_MISSING
    return Verdict.PASS if rules.token.fits(sent) else Verdict.TOKEN_WRONG


def is_guarded(path: str) -> bool:
    """Whether a path needs the token."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in GUARDED)


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header (RFC 6750), None where there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


def is_foreign(rules: Rules, asked: Asked) -> bool:
    """Whether an allowed origin other than the host's own asks: it gets CORS headers."""
    return asked.origin is not None and asked.origin.lower() in rules.origins


def _origin_fits(rules: Rules, asked: Asked) -> bool:
    if asked.origin is not None:
        return asked.origin.lower() in rules.origins or _same_origin(asked)
    if asked.site in (None, "same-origin", "none") or not is_guarded(asked.path):
        return True
    # No Origin from another site: an image, a script, a frame, or a person who followed a link.
    return asked.mode == "navigate" and asked.method in ("GET", "HEAD")


def _same_origin(asked: Asked) -> bool:
    """Whether Origin and Host name the same place. Schemes may differ: TLS may end at a proxy."""
    try:
        origin = urlsplit(asked.origin or "")
        if origin.scheme not in _DEFAULT_PORTS or not origin.hostname:
            return False
        host = urlsplit(f"//{asked.host or ''}")
        port = origin.port or _DEFAULT_PORTS[origin.scheme]
        return origin.hostname == host.hostname and port == (host.port or _DEFAULT_PORTS[origin.scheme])
    except ValueError:
        return False


def _name(host: str | None) -> str | None:
    """The name of a Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname if host else None
    except ValueError:
        return None
