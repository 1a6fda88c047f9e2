"""Whether an address to listen on is reached from this machine alone, and the token that it needs if not. Pure."""

from __future__ import annotations

import ipaddress

from steadycast.config.current import HostSettings
from steadycast.config.tokens import TokenHash, configured
from steadycast.errors import ConfigError


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name other than `localhost` is not trusted to stay here."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def needed_token(settings: HostSettings) -> TokenHash | None:
    """The configured token; raises ConfigError where the address to listen on needs one and there is none."""
    secret = settings.auth.token
    token = configured(secret.get_secret_value() if secret else None, settings.auth.token_hash)
    if token is None and not is_loopback(settings.host):
        what = f"host: {settings.host!r} is reached from other machines, so auth.token or auth.token_hash must be set."
        raise ConfigError("config.auth", what, hint="`steadycast token new` makes one; or listen on 127.0.0.1.")
    return token
