"""What files come wrapped in: gzip, and the zip of a DATAtourisme flux."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from content import limits
from content.errors import FormatInvalid

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"


def unpacked(data: bytes) -> bytes:
    """The bytes of a gzip file, or the data itself. Raises FormatInvalid; bounded in size."""
    if not data.startswith(_GZIP):
        return data
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        found = inflater.decompress(data, limits.IMPORT_BYTES_MAX + 1)
    except zlib.error as error:
        raise FormatInvalid(f"is no whole gzip file: {error}") from error
    if len(found) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes unpacked")
    if not inflater.eof:
        raise FormatInvalid("is no whole gzip file: it ends early")
    return found


def is_zip(data: bytes) -> bool:
    """Whether the data is a zip archive."""
    return data.startswith(_ZIP)


def has(data: bytes, ending: str) -> bool:
    """Whether a zip archive has a file of such a name. Raises FormatInvalid."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith(ending) for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise FormatInvalid(f"is no whole zip archive: {error}") from error


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a zip archive, in its order. Raises FormatInvalid; bounded in size."""
    left = limits.IMPORT_BYTES_MAX
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                with archive.open(info) as opened:
                    found = opened.read(left + 1)
                left -= len(found)
                if left < 0:
                    raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes unpacked")
                yield info.filename, found
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise FormatInvalid(f"is no whole zip archive: {error}") from error
