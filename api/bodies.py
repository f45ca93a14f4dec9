"""Bodies and queries: read within limits, decoded by type, every wrong field named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from api import limits
from api.errors import FieldError, Invalid, Malformed, TooLarge, UnsupportedType
from content.errors import RecordInvalid

T = TypeVar("T")
ENCODINGS = ("", "identity", "gzip", "deflate")


async def read(request: web.Request, *, accepted: Sequence[str], bytes_max: int) -> bytes:
    """The body, if its content type is `accepted`.

    Raises UnsupportedType, Malformed where it cannot be decompressed, or TooLarge as soon as it is
    known to pass `bytes_max` (after
    decompression).
    """
    found = request.content_type if "Content-Type" in request.headers else ""
    charset = (request.charset or "utf-8").lower()
    if found not in accepted or charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedType(found=request.headers.get("Content-Type", ""), accepted=accepted)
    return await whatever(request, bytes_max=bytes_max)


async def whatever(request: web.Request, *, bytes_max: int) -> bytes:
    """The body, decompressed, of whatever type.

    Raises UnsupportedType for a compression that nobody here knows, Malformed, TooLarge.
    """
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding not in ENCODINGS:
        raise UnsupportedType(found=f"encoding {encoding}", accepted=ENCODINGS[1:])
    if (request.content_length or 0) > bytes_max:
        raise TooLarge(what="bytes", limit=bytes_max)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.content.iter_any():
            size += len(part)
            if size > bytes_max:
                raise TooLarge(what="bytes", limit=bytes_max)
            parts.append(part)
    except web.RequestPayloadError as error:
        raise Malformed(f"the body cannot be read as {encoding or 'sent'}") from error
    return b"".join(parts)


def document(body: bytes) -> Any:
    """The JSON of a body. Raises Malformed with the place."""
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8", at=f"byte {error.start}") from error
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is not JSON: {str(error).removeprefix('JSON is malformed: ')}")\
            from error  # fmt: skip


def struct(body: bytes, kind: type[T]) -> T:
    """A struct from a body. Raises Malformed, or Invalid naming every wrong field."""
    return convert(document(body), kind)


def convert(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """A struct from decoded JSON. Raises Invalid naming every wrong field."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        found = faults(value, kind, strict=strict) or [_fault(error)]
        raise Invalid(found) from error


def query(values: Mapping[str, str], kind: type[T]) -> T:
    """A struct of query parameters. Raises Invalid; a parameter nobody knows is one fault."""
    return convert(dict(values), kind, strict=False)


def faults(value: Any, kind: Any, *, strict: bool = True) -> list[FieldError]:
    """What is wrong with each field of a struct taken alone, unknown and missing ones first."""
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType) or not isinstance(value, dict):
        return []
    fields = {field.encode_name: field for field in info.fields}
    found = [
        FieldError(field=_shown(name), reason="unknown field")
        for name in value
        if name not in fields and info.forbid_unknown_fields
    ]
    hints = msgspec.structs.fields(kind)
    types = {field.encode_name: field.type for field in hints}
    for name, field in fields.items():
        if name not in value:
            if field.required:
                found.append(FieldError(field=name, reason="required"))
            continue
        try:
            msgspec.convert(value[name], types[name], strict=strict)
        except msgspec.ValidationError as error:
            found.append(_fault(error, under=name))
    return found


def _fault(error: msgspec.ValidationError, *, under: str = "") -> FieldError:
    reason, _, path = str(error).partition(" - at `")
    path = path.rstrip("`").removeprefix("$")
    if isinstance(error.__cause__, RecordInvalid):
        path, reason = f"{path}.{error.__cause__.field}", error.__cause__.reason
    field = f"{under}{path}" if under else path.removeprefix(".")
    return FieldError(field=field, reason=reason[: limits.REASON_CHARS_MAX])


def _shown(name: str) -> str:
    shown = ascii(name)[1:-1]
    return shown if len(shown) <= 60 else shown[:57] + "..."
