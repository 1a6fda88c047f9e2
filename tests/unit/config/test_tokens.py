"""Tokens: hashes that fit only their token, in a form that can be read back, and RTSP's HA1 as RFC 7616 says."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.tokens import configured, hash_token, new_token, read_hash
from steadycast.errors import ConfigError

TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=64)


@given(TOKENS, st.text(max_size=80))
def test_a_hash_fits_its_token_alone(token: str, other: str) -> None:
    made = hash_token(token)
    assert made.fits(token)
    assert made.fits(other) == (other == token)
    assert read_hash(made.text()) == made
    assert token not in made.text() and token not in repr(made)


def test_digest_is_what_an_rtsp_client_computes() -> None:
    token = new_token()
    digest = hash_token(token).digest()
    assert digest["MD5"] == hashlib.md5(f"steadycast:steadycast:{token}".encode()).hexdigest()
    assert digest["SHA-256"] == hashlib.sha256(f"steadycast:steadycast:{token}".encode()).hexdigest()


@pytest.mark.parametrize("token", ["", "short", "with a space in the middle", "ümlaut-ümlaut-ümlaut", "x" * 15])
def test_bad_tokens_are_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(token, None)
    assert "auth.token" in refused.value.what
    assert not token or token not in refused.value.what


def test_configured_is_one_of_two() -> None:
    made = hash_token("0123456789abcdef")
    assert configured(None, None) is None
    assert configured(None, made.text()) == made
    with pytest.raises(ConfigError):
        configured("0123456789abcdef", made.text())
    with pytest.raises(ConfigError):
        configured(None, "sha256:nonsense")
