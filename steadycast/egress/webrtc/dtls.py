"""DTLS 1.2 with SRTP (RFC 5764) on pyOpenSSL: datagrams in, datagrams out, keys at the end. It opens no socket.

OpenSSL keeps the time of its retransmissions itself; `timeout` says how long it wants to wait.
"""

from __future__ import annotations

import datetime
import hmac
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from steadycast.egress.webrtc.srtp import PROFILES, SrtpKeys

_DTLS_1_2 = 0xFEFD
_MTU = 1200  # bytes of a datagram
_RECORD_HEADER = 13  # RFC 6347 section 4.1
_EXPORTER = b"EXTRACTOR-dtls_srtp"
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_VALID_DAYS = 365
_LARGEST_FLIGHT = 65_536


class DtlsIdentity:
    """The certificate of this process, made new at each start, and what connections are made from."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        self.fingerprint = _fingerprint(certificate, "sha-256")
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_max_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Certificates are self-signed on both sides: what counts is the fingerprint, which is compared afterwards.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(":".join(PROFILES).encode())
        self.context = context


def _accept_any(*_: object) -> bool:
    return True


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .sign(key, hashes.SHA256())
    )


def _fingerprint(certificate: x509.Certificate, name: str) -> str:
    return certificate.fingerprint(_HASHES[name]).hex(":").upper()


class DtlsSession:
    """One handshake and what follows. `keys` are there once it is done, `failed` says why it never will be.

    `closed` is true when the other side said goodbye.
    """

    def __init__(self, identity: DtlsIdentity, *, active: bool, fingerprints: tuple[tuple[str, str], ...]) -> None:
        self._fingerprints = fingerprints
        self._active = active
        self._connection = SSL.Connection(identity.context)
        self._connection.set_ciphertext_mtu(_MTU)
        if active:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.keys: SrtpKeys | None = None
        self.failed: str | None = None
        self.closed = False

    def start(self) -> list[bytes]:
        """The first flight of the active side."""
        self._step()
        return self._flight()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram; datagrams to send. Never raises."""
        if self.failed is not None or self.closed:
            return []
        try:
            self._connection.bio_write(datagram)
        except SSL.Error:
            return []
        self._step()
        return self._flight()

    def timeout(self) -> float | None:
        """Seconds until `retransmit` is due; None while OpenSSL waits for nothing."""
        if self.failed is not None or self.keys is not None:
            return None
        return self._connection.DTLSv1_get_timeout()

    def retransmit(self) -> list[bytes]:
        """The last flight again, if its time has come."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self.failed = _words(error)
        return self._flight()

    def close(self) -> list[bytes]:
        """Say goodbye (close_notify)."""
        if self.keys is None or self.failed is not None:
            return []
        try:
            self._connection.shutdown()
        except SSL.Error:
            return []
        return self._flight()

    def _step(self) -> None:
        try:
            if self.keys is None:
                self._connection.do_handshake()
                self._finish()
            else:
                self._connection.recv(_MTU)  # data channels are not offered: only alerts and old flights come
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            if self.keys is None:
                self.failed = _words(error)

    def _finish(self) -> None:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._is_expected(certificate):
            self.failed = "the certificate is not the one of the offer"
            return
        profile = PROFILES.get(self._connection.get_selected_srtp_profile().decode())
        if profile is None:
            self.failed = "no SRTP profile in common"
            return
        size = 2 * (profile.key_bytes + profile.salt_bytes)
        material = self._connection.export_keying_material(_EXPORTER, size)
        self.keys = SrtpKeys.from_dtls(profile, material, active=self._active)

    def _is_expected(self, certificate: x509.Certificate) -> bool:
        """All fingerprints of the offer must match (RFC 8122 section 5.1 allows several of one certificate)."""
        expected = [
            hmac.compare_digest(value.encode(), _fingerprint(certificate, name).encode())
            for name, value in self._fingerprints
        ]
        return bool(expected) and all(expected)

    def _flight(self) -> list[bytes]:
        try:
            data = self._connection.bio_read(_LARGEST_FLIGHT)
        except SSL.Error:
            return []
        return split_flight(data)


def split_flight(data: bytes) -> list[bytes]:
    """Datagrams for DTLS records that a memory BIO strung together: whole records, as many as fit."""
    datagrams: list[bytes] = []
    start = position = 0
    while position + _RECORD_HEADER <= len(data):
        end = position + _RECORD_HEADER + int.from_bytes(data[position + 11 : position + 13], "big")
        if end - start > _MTU and position > start:
            datagrams.append(data[start:position])
            start = position
        position = end
    if start < len(data):
        datagrams.append(data[start:])
    return datagrams


def _words(error: SSL.Error) -> str:
    details = error.args[0] if error.args else None
    if isinstance(details, list) and details:
        return str(details[0][-1])
    return "the handshake was broken off"
