"""RFC 9457 problem documents: the one place where errors become HTTP statuses.

Every answer of the native API that is not a success is `application/problem+json` with type, title,
status, detail, request_id, and `errors` ({field, reason, index}) where fields are at fault.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api import limits
from api.errors import (
    ApiError,
    FieldError,
    Invalid,
    Malformed,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotModified,
    NotPossible,
    RateLimited,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from engine.errors import Conflict, EngineError, LogRefused, Overloaded, StoreRefused
from notifier.errors import StoreUnavailable

CONTENT_TYPE = "application/problem+json"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

_log = structlog.get_logger("balise.api")


class ProblemKind(NamedTuple):
    """What a caller can rely on about one kind of problem."""

    slug: str
    status: int
    title: str
    meaning: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document itself."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()


UNAVAILABLE = ProblemKind(
    "unavailable",
    503,
    "Not available",
    "Starting, stopping, or something that it needs is away: repeat later.",
)

KINDS: tuple[tuple[type[Exception], ProblemKind], ...] = (
    (Malformed, ProblemKind("malformed", 400, "Malformed body or parameter",
     "The body or a parameter cannot be read; the detail says where.")),
    (NotAuthenticated, ProblemKind("not-authenticated", 401, "Not authenticated",
     "No credential, or one that does not hold. Where `WWW-Authenticate` says invalid_token, "
     "ask for a fresh access token.")),
    (NotAllowed, ProblemKind("not-allowed", 403, "Not allowed",
     "The credential is good and does not reach this far.")),
    (NotFound, ProblemKind("not-found", 404, "Not found", "There is no such record or route.")),
    (NotPossible, ProblemKind("not-possible", 409, "Not possible now",
     "The request is good, and the record is in no state for it; the detail says why.")),
    (Conflict, ProblemKind("conflict", 412, "Changed meanwhile",
     "`If-Match` or `If-None-Match` names a version that is not the newest: read again, "
     "then write.")),
    (TooLarge, ProblemKind("too-large", 413, "Too large",
     "More bytes or records than one request may carry: split it.")),
    (UnsupportedType, ProblemKind("unsupported-type", 415, "Unsupported content type",
     "The content type is none that the route takes.")),
    (Invalid, ProblemKind("invalid", 422, "Invalid fields",
     "The body is well-formed; each entry of `errors` names a field and what is wrong with it.")),
    (RateLimited, ProblemKind("rate-limited", 429, "Too many requests",
     "Wait for `Retry-After` seconds.")),
    (Overloaded, ProblemKind("overloaded", 429, "Busy",
     "The engine is behind; nothing was taken. Wait for `Retry-After` seconds and repeat.")),
    (LogRefused, ProblemKind("log-refused", 503, "Nothing can be stored",
     "The log cannot be written (a full disk, for one). What was sent is not acknowledged: send it "
     "again later, which is safe, since duplicates are dropped.")),
    (Unavailable, UNAVAILABLE),
    (StoreUnavailable, UNAVAILABLE),
    (StoreRefused, UNAVAILABLE),
)  # fmt: skip

INTERNAL = ProblemKind(
    "internal",
    500,
    "Internal error",
    "A fault of the server; the log holds the details under the request's id.",
)
METHOD = ProblemKind(
    "method-not-allowed", 405, "Method not allowed", "The route exists for the methods of `Allow`."
)

_SYSTEM = (LogRefused, StoreRefused, StoreUnavailable)

_BY_STATUS: dict[int, ProblemKind] = {
    kind.status: kind for _, kind in reversed(KINDS) if kind.slug not in ("overloaded",)
} | {405: METHOD}


def kind_of(error: Exception) -> ProblemKind:
    """What a caller is told of an error; INTERNAL where nothing is declared."""
    for known, kind in KINDS:
        if isinstance(error, known):
            return kind
    return INTERNAL


def response(
    kind: ProblemKind,
    detail: str,
    *,
    request_id: str = "",
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A problem as an HTTP answer. At most FIELD_ERRORS_MAX field errors are listed."""
    shown = errors[: limits.FIELD_ERRORS_MAX]
    if len(shown) < len(errors):
        detail = f"{detail} (the first {len(shown)} of {len(errors)} faults are listed)"
    problem = Problem(
        type=f"urn:balise:problem:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request_id,
        errors=shown,
    )
    return web.Response(
        body=msgspec.json.encode(problem),
        status=kind.status,
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def of_error(error: Exception, request_id: str = "") -> web.Response:
    """The answer to a declared error."""
    kind = kind_of(error)
    errors = error.errors if isinstance(error, Invalid) else ()
    headers: dict[str, str] = {}
    if isinstance(error, RateLimited | Overloaded | Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, _SYSTEM):
        headers["Retry-After"] = "5"
    if isinstance(error, NotAuthenticated):
        invalid = ', error="invalid_token"' if error.expired else ""
        headers["WWW-Authenticate"] = f'Bearer realm="balise"{invalid}'
    # What the system or the database says of itself is for the log, not for everybody.
    is_told = kind is not INTERNAL and not isinstance(error, _SYSTEM)
    detail = str(error) if is_told else kind.meaning
    if isinstance(error, Invalid) and len(error.errors) > 1:
        detail = f"{len(error.errors)} fields are wrong"
    return response(kind, detail, request_id=request_id, errors=errors, headers=headers)


def of_http(error: web.HTTPException, request: web.Request) -> web.Response:
    """The answer to what the framework raises: no route, wrong method, body too large."""
    request_id = request.get(REQUEST_ID, "")
    kind = _BY_STATUS.get(error.status)
    if isinstance(error, web.HTTPNotFound):
        return response(kind_of(NotFound(kind="", record_id="")), f"there is no {request.path}",
                        request_id=request_id)  # fmt: skip
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        detail = f"{error.method} is not taken here, only {allowed}"
        return response(METHOD, detail, request_id=request_id, headers={"Allow": allowed})
    if kind is None:
        kind = ProblemKind("http", error.status, error.reason, error.reason)
    return response(kind, error.text or error.reason, request_id=request_id)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem; unknown ones are logged with the request's id."""
    request_id = request.get(REQUEST_ID, "")
    try:
        return await handler(request)
    except NotModified as error:
        return web.Response(status=304, headers={"ETag": error.etag})
    except (ApiError, EngineError, StoreUnavailable) as error:
        answer = of_error(error, request_id)
        if answer.status >= 500:
            _log.error("request failed", request_id=request_id, error=repr(error))
        return answer
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return of_http(error, request)
    except Exception as error:  # noqa: BLE001  # the last guard: a fault costs one request
        # Neither the query nor headers nor the body are logged: they hold tokens and positions.
        # Nor is the path: a location app's key is part of it. The route says enough.
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else ""
        _log.exception("request failed", request_id=request_id, method=request.method, route=route)
        return of_error(error, request_id)


def markdown() -> str:
    """The reference page: every type of problem."""
    lines = [
        "# Problems",
        "",
        "<!-- Made from api/problems.py by `python -m api.problems`; a test holds it. -->",
        "",
        "Whatever is not a success is `application/problem+json` (RFC 9457): `type`, `title`,",
        "`status`, `detail`, `request_id`, and `errors` with `field`, `reason` and, in a batch,",
        "`index` where fields are at fault. Programs go by `type`; the texts may change.",
        "",
        "| type | status | meaning |",
        "|---|---|---|",
    ]
    kinds = {kind for _, kind in KINDS} | {METHOD, INTERNAL}
    for kind in sorted(kinds, key=lambda k: (k.status, k.slug)):
        meaning = kind.meaning.replace("|", "\\|")
        lines.append(f"| `urn:balise:problem:{kind.slug}` | {kind.status} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = Path(__file__).parent.parent / "docs" / "reference" / "problems.md"
    page.write_text(markdown(), encoding="utf-8")
