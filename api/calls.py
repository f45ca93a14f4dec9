"""Routes as a table: what a route takes, who may call it and what it answers, stated once.

The table registers the handlers, checks every call before its handler runs, and makes the OpenAPI
document: none of the three can say something else than the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from api import bodies, proxies
from api.auth import ANONYMOUS, ROLES, Caller, Scope
from api.errors import FieldError, Invalid, NotAllowed, NotAuthenticated
from api.problems import REQUEST_ID
from api.service import CALLER, SERVICE, Service
from api.settings import is_loopback
from engine import clock as system
from engine.queries import AuditRow

JSON: Final = "application/json"
SESSION_COOKIE: Final = "balise_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

T = TypeVar("T")
B = TypeVar("B")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with more than a body of status 200."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = {}


class Call:
    """One request, checked: its caller, parameters, query and body."""

    __slots__ = ("_body", "_query", "caller", "request", "route", "service")

    def __init__(
        self,
        *,
        request: web.Request,
        route: Route,
        service: Service,
        caller: Caller,
        body: Any,
        query: Any,
    ) -> None:
        self.request = request
        self.route = route
        self.service = service
        self.caller = caller
        self._body = body
        self._query = query

    @property
    def request_id(self) -> str:
        """The request's id, for answers and logs."""
        return self.request[REQUEST_ID]

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def body(self, kind: type[B]) -> B:
        """The decoded body (bytes where the route decodes by itself)."""
        assert isinstance(self._body, kind)
        return self._body

    def query(self, kind: type[B]) -> B:
        """The decoded query."""
        assert isinstance(self._query, kind)
        return self._query


Answerer = Callable[[Call], Awaitable[Any]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route.

    scopes: any of them opens it to keys. device: device tokens open it, for their own visitor.
    open: nobody need say who they are. any_caller: any credential will do. live: the setting
    open_live opens it. sessions: console sessions open it. body: the type of the JSON body, or
    bytes where the handler decodes `takes` by itself, and then `describes` is its type. answer: the
    type of a success. bytes_max: names the setting. hidden: left out of the API's description.
    audited: a success is written to the audit trail. feeder: for location apps, which say who they
    are by the device key in the path and cannot be told to send otherwise: the handler reads the
    body by itself, whatever its type.
    """

    method: str
    path: str
    handler: Answerer
    summary: str
    tag: str
    scopes: tuple[Scope, ...] = ()
    device: bool = False
    open: bool = False
    any_caller: bool = False
    live: bool = False
    sessions: bool = True
    body: Any = None
    describes: Any = None
    takes: tuple[str, ...] = (JSON,)
    bytes_max: str = "body_bytes_max"
    query: type[msgspec.Struct] | None = None
    answer: Any = None
    gives: str = JSON
    status: int = 200
    hidden: bool = False
    audited: bool = False
    feeder: bool = False


def register(app: web.Application, routes: Sequence[Route]) -> None:
    """Add the routes to an application that has a Service."""
    for route in routes:
        app.router.add_route(route.method, route.path, _handler(route))


def _handler(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        service = request.app[SERVICE]
        caller = _caller(request, route, service)
        request[CALLER] = caller
        _spend(request, route, service, caller)
        _allow(route, caller)
        body = await _body(request, route, service)
        query = None
        if route.query is not None:
            query = bodies.query(_single(request), route.query)
        call = Call(
            request=request, route=route, service=service, caller=caller, body=body, query=query
        )
        if route.method in SAFE_METHODS:
            return respond(await _carry_out(call), route.status)
        # Whoever hangs up does not stop a write half way, nor keep it out of the audit trail.
        return respond(await service.to_its_end(_carry_out(call)), route.status)

    return handle


async def _carry_out(call: Call) -> Any:
    result = await call.route.handler(call)
    if call.route.audited:
        await audit(call, call.request.match_info.get("id", ""))
    return result


def check(call: Call) -> None:
    """Ask again whether the caller may call: raises NotAuthenticated or NotAllowed where not."""
    _allow(call.route, _caller(call.request, call.route, call.service))


async def audit(call: Call, subject: str) -> None:
    """Write down who did it, and to what; never the body, which may hold secrets."""
    entry = AuditRow(
        at_ms=call.service.clock.now_ms(),
        who=call.caller.id,
        what=f"{call.route.method} {call.route.path}",
        subject=subject,
    )
    await call.service.store.audit_add(entry)


async def _body(request: web.Request, route: Route, service: Service) -> Any:
    if route.body is None or route.feeder:
        return None
    bytes_max: int = getattr(service.settings, route.bytes_max)
    data = await bodies.read(request, accepted=route.takes, bytes_max=bytes_max)
    return data if route.body is bytes else bodies.struct(data, route.body)


def _single(request: web.Request) -> Mapping[str, str]:
    query = request.query
    twice = sorted({name for name in query if len(query.getall(name)) > 1})
    if twice:
        raise Invalid([FieldError(field=name, reason="given twice") for name in twice])
    return dict(query)


def respond(result: Any, status: int = 200) -> web.StreamResponse:
    """A handler's result as a response."""
    if isinstance(result, web.StreamResponse):
        return result
    headers: dict[str, str] = {}
    if isinstance(result, Reply):
        result, status, headers = result.body, result.status, result.headers
    if result is None:
        return web.Response(status=204 if status == 200 else status, headers=headers)
    headers = {"Content-Type": f"{JSON}; charset=utf-8"} | headers
    return web.Response(body=msgspec.json.encode(result), status=status, headers=headers)


# -- who calls ------------------------------------------------------------------


def _caller(request: web.Request, route: Route, service: Service) -> Caller:
    if route.feeder:
        caller = service.gate.feeder(request.match_info["key"])
        _still_registered(service, caller)
        return caller
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise NotAuthenticated("send the credential as `Authorization: Bearer <credential>`")
        caller = service.gate.bearer(credential.strip())
        if caller.kind == "device":
            _still_registered(service, caller)
        return caller
    is_open = route.live and service.settings.open_live
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie and route.sessions:
        try:
            caller = service.gate.session(cookie)
        except NotAuthenticated:
            if not is_open:
                raise
        else:
            _same_origin(request, service)
            return caller
    return _guest(request, service) if is_open else ANONYMOUS


def _guest(request: web.Request, service: Service) -> Caller:
    """Whoever watches an open live page: by a name of this machine, lest a page of elsewhere have
    its own name mean this machine and read along.
    """
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        raise NotAllowed("the live page is open at this machine's own address only")
    if "Origin" in request.headers:
        _same_origin(request, service)
    return Caller(kind="session", id="open_live", role="viewer", scopes=ROLES["viewer"])


def _still_registered(service: Service, caller: Caller) -> None:
    """A device that was removed, or whose visitor was erased, ends before its token does."""
    visitors = service.motor.pipeline.visitors
    device = visitors.device(caller.device)
    if device is None or device.visitor != caller.visitor:
        raise NotAuthenticated("the device is not registered any more")


def _same_origin(request: web.Request, service: Service) -> None:
    """A cookie comes along with what other pages send, and no browser keeps them from opening a
    WebSocket to this machine: only our own pages may do that, or write.
    """
    if request.method in SAFE_METHODS and request.headers.get("Upgrade", "") == "":
        return
    if request.headers.get("Origin") != proxies.origin_of(request, service.settings):
        raise NotAllowed("only this server's own pages may write, or open a stream, like this")


def _spend(request: web.Request, route: Route, service: Service, caller: Caller) -> None:
    settings = service.settings
    at_s = system.monotonic_s()
    if caller.kind == "device":
        service.buckets.spend(caller.id, per_s=settings.device_requests_per_s, at_s=at_s)
    elif caller.role == "app" or (caller.kind == "anonymous" and route.method != "GET"):
        # An app key is in everybody's hands: its calls count by where they come from.
        address = proxies.address_of(request, settings)
        service.buckets.spend(address, per_s=settings.address_requests_per_s, at_s=at_s)
    else:
        service.buckets.spend(caller.id, per_s=settings.key_requests_per_s, at_s=at_s)


def _allow(route: Route, caller: Caller) -> None:
    if route.open or (caller.kind == "device" and (route.device or route.feeder)):
        return
    if caller.kind == "device" and not route.any_caller:
        raise NotAllowed("a device's token does not reach this far")
    if not route.scopes and caller.kind == "anonymous":
        raise NotAuthenticated("a credential is needed")
    if route.any_caller:
        return
    if not route.scopes:
        raise NotAllowed("this is for devices, with their own token")
    caller.needs(*route.scopes)


def etag(version: int) -> str:
    """A record's version as an entity tag."""
    return f'"{version}"'


def if_version(request: web.Request) -> int | None:
    """The version that a write is based on: from If-Match, 0 for `If-None-Match: *`.

    Raises Invalid for what is no tag of ours.
    """
    match = request.headers.get("If-Match")
    if match is not None:
        number = match.strip().strip('"')
        if match.strip() == "*":
            return None
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise Invalid.one("If-Match", "expected one entity tag as given by ETag")
        return int(number)
    if request.headers.get("If-None-Match", "").strip() == "*":
        return 0
    return None
