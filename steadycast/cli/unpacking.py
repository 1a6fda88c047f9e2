"""What a log is packed in, told by its first bytes: gzip, xz, bzip2 and UTF-16 are taken out of it; others are refused
in words, as nothing would be found in them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO

from steadycast.errors import CallerError

HEAD = 8  # bytes that tell
_GZIP, _XZ, _BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh"
_REFUSED = {
    b"\x28\xb5\x2f\xfd": ("is packed with zstd", "zstdcat FILE | steadycast diagnose -"),
    b"PK\x03\x04": ("is a zip archive", "unzip -p FILE | steadycast diagnose -"),
    b"\x04\x22\x4d\x18": ("is packed with lz4", "lz4cat FILE | steadycast diagnose -"),
    b"\x7fELF": ("is a program", "Name the log that it writes."),
    b"LPKSHHRH": (
        "is a journal of systemd",
        "steadycast diagnose --unit NAME, or journalctl --file FILE | ... diagnose -",
    ),
}


def unpacked(path: str, head: bytes, file: IO[bytes], block: int) -> Iterator[bytes] | None:
    """The log in a file that begins with `head` and stands at its beginning; None where it is plain. Raises
    CallerError for what cannot be read here."""
    for magic, (what, hint) in _REFUSED.items():
        if head.startswith(magic):
            raise CallerError("diagnose.no_log", f"{path} {what}.", hint=hint)
    if head.startswith((_GZIP, _XZ, _BZIP2)):
        return _decompressed(path, head, file, block)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _from_utf16(file, block)
    return None


def _decompressed(path: str, head: bytes, file: IO[bytes], block: int) -> Iterator[bytes]:
    import bz2  # each is loaded only where one is there
    import gzip
    import lzma
    import zlib

    opener = gzip.open if head.startswith(_GZIP) else lzma.open if head.startswith(_XZ) else bz2.open
    try:
        with opener(file) as inner:
            yield from iter(lambda: inner.read(block), b"")
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise CallerError("diagnose.bad_packing", f"{path} is packed and ends in the middle: {error}") from None


def _from_utf16(file: IO[bytes], block: int) -> Iterator[bytes]:
    """As PowerShell writes what a program prints."""
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for data in iter(lambda: file.read(block), b""):
        yield decoder.decode(data).encode("utf-8", "replace")
