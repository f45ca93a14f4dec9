"""JSON as it is found: decoded strictly first, then with the NaN and Infinity that some tools
write, so that one such number spoils its own record and not the file."""

from __future__ import annotations

import json

import msgspec

from content import limits
from content.errors import FormatInvalid


def decode(data: bytes) -> object:
    """The value of a JSON text in UTF-8, with or without a byte order mark.

    Raises FormatInvalid with the position of the fault.
    """
    if len(data) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        value: object = msgspec.json.decode(data)
    except RecursionError as error:
        raise FormatInvalid("is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _slowly(data)
    return value


def _slowly(data: bytes) -> object:
    try:
        value: object = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatInvalid("is not UTF-8", f"byte {error.start}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise FormatInvalid(f"is not JSON: {error.msg}", where) from error
    except (RecursionError, ValueError) as error:
        raise FormatInvalid("is nested too deeply or has a number that is too long") from error
    return value


def documents(data: bytes) -> list[object]:
    """The members of a JSON array, one JSON document, or one a line (NDJSON).

    A line that cannot be read stands as its FormatInvalid. Raises FormatInvalid where nothing can.
    """
    try:
        value = decode(data)
    except FormatInvalid:
        lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
        # One broken document of many lines is not NDJSON: its first line is no value either.
        if len(lines) < 2 or not isinstance(_line(lines[0]), dict):
            raise
        return [_line(line) for line in lines]
    return value if isinstance(value, list) else [value]


def _line(line: bytes) -> object:
    try:
        return decode(line)
    except FormatInvalid as error:
        return error
