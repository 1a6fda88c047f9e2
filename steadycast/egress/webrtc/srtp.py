"""SRTP and SRTCP of one viewer (RFC 3711, RFC 7714).

RTP is protected here, on cryptography's ciphers: the caller says the packet's whole index, so a resend is the same
packet again, however old. SRTCP goes through libsrtp, both ways.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import pylibsrtp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_LABEL_KEY, _LABEL_AUTH, _LABEL_SALT = 0, 1, 2  # RFC 3711 section 4.3.2, for RTP
_REPLAY_WINDOW = 1024

# Protects one packet: RTP header (extension included), payload, index (roll-over counter and sequence number).
Protect = Callable[[bytes, bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class Profile:
    """A protection profile of RFC 5764; `overhead` is what it adds to an RTP packet. Bytes."""

    libsrtp: int
    key_bytes: int
    salt_bytes: int
    overhead: int


# By OpenSSL's names, best first. AES-GCM costs less than a third of AES-CM with HMAC-SHA1.
PROFILES = {
    "SRTP_AEAD_AES_128_GCM": Profile(pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    "SRTP_AES128_CM_SHA1_80": Profile(pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
}


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master key and salt, one after the other, for each way."""

    profile: Profile
    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)

    @classmethod
    def from_dtls(cls, profile: Profile, material: bytes, *, active: bool) -> SrtpKeys:
        """Cut the exported material (RFC 5764 section 4.2): client key, server key, client salt, server salt."""
        key, salt = profile.key_bytes, profile.salt_bytes
        salts = material[2 * key :]
        client = material[:key] + salts[:salt]
        server = material[key : 2 * key] + salts[salt : 2 * salt]
        return cls(profile, client, server) if active else cls(profile, server, client)


class RtpProtection:
    """Makes SRTP packets of the streams of one viewer."""

    def __init__(self, keys: SrtpKeys) -> None:
        size = keys.profile.key_bytes
        self._master, self._master_salt = keys.sending[:size], keys.sending[size:].ljust(14, b"\0")
        self.overhead = keys.profile.overhead
        self._is_gcm = keys.profile is PROFILES["SRTP_AEAD_AES_128_GCM"]

    def stream(self, ssrc: int) -> Protect:
        """A function that protects the packets of one SSRC."""
        return self._gcm(ssrc) if self._is_gcm else self._counter_mode(ssrc)

    def _derive(self, label: int, size: int) -> bytes:
        """Session key of RFC 3711 section 4.3.1 with a key derivation rate of 0."""
        start = int.from_bytes(self._master_salt, "big") ^ (label << 48)
        cipher = Cipher(algorithms.AES(self._master), modes.CTR((start << 16).to_bytes(16, "big")))
        return cipher.encryptor().update(bytes(size))

    def _gcm(self, ssrc: int) -> Protect:
        encrypt = AESGCM(self._derive(_LABEL_KEY, 16)).encrypt
        # RFC 7714 section 8.1: salt xor (two zero bytes, SSRC, roll-over counter, sequence number).
        base = int.from_bytes(self._derive(_LABEL_SALT, 12), "big") ^ (ssrc << 48)

        def protect(header: bytes, payload: bytes, index: int) -> bytes:
            return header + encrypt((base ^ index).to_bytes(12, "big"), payload, header)

        return protect

    def _counter_mode(self, ssrc: int) -> Protect:
        key = algorithms.AES(self._derive(_LABEL_KEY, 16))
        auth = self._derive(_LABEL_AUTH, 20)
        # RFC 3711 section 4.1.1: (salt << 16) xor (SSRC << 64) xor (index << 16).
        base = (int.from_bytes(self._derive(_LABEL_SALT, 14), "big") << 16) ^ (ssrc << 64)

        def protect(header: bytes, payload: bytes, index: int) -> bytes:
            counter = modes.CTR((base ^ (index << 16)).to_bytes(16, "big"))
            packet = header + Cipher(key, counter).encryptor().update(payload)
            roll_over = (index >> 16 & 0xFFFFFFFF).to_bytes(4, "big")
            return packet + hmac.digest(auth, packet + roll_over, "sha1")[:10]

        return protect


class RtcpProtection:
    """SRTCP both ways."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._sending = _session(keys.profile, keys.sending, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._receiving = _session(keys.profile, keys.receiving, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    def protect(self, packet: bytes) -> bytes:
        return bytes(self._sending.protect_rtcp(packet))

    def unprotect(self, packet: bytes) -> bytes | None:
        """The compound packet; None for one that is forged, repeated or garbage."""
        try:
            return bytes(self._receiving.unprotect_rtcp(packet))
        except (pylibsrtp.Error, ValueError):
            return None


def _session(profile: Profile, key: bytes, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile.libsrtp)
    policy.window_size = _REPLAY_WINDOW
    return pylibsrtp.Session(policy)
