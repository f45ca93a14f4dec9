"""The command line's way to a server: HTTP, JSON, and problems as one sentence."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from api import limits
from api.errors import Refused

NDJSON = "application/x-ndjson"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said."""

    status: int
    body: Any
    headers: dict[str, str]


class Client:
    """One server and one key. own: the server is the one that holds a data directory here."""

    def __init__(self, address: str, key: str, *, own: bool = False) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{address!r} is no address of a server: expected http(s)://host[:port]")
        self.address = address.rstrip("/")
        self._parts = parts
        self._key = key
        self._own = own

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request. Raises Refused with what the server, or the way to it, says."""
        given = {k: _text(v) for k, v in (query or {}).items() if v not in (None, "")}
        target = self._parts.path.rstrip("/") + path + (f"?{urlencode(given)}" if given else "")
        sent = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        if body is not None:
            sent["Content-Type"] = content_type
        connection = self._connection()
        try:
            connection.request(method, target, body=body, headers=sent | dict(headers or {}))
            response = connection.getresponse()
            data = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{self.address} does not answer: {error}") from error
        finally:
            connection.close()
        answer = Answer(status=response.status, body=_decoded(data), headers=found)
        if answer.status >= 400:
            raise Refused(explained(answer))
        return answer

    def download(self, path: str, **query: Any) -> bytes:
        """The body of a GET as it stands. Raises Refused as `call` does."""
        return b"".join(self._streamed("GET", path, query, None, "*/*", ""))

    def lines(
        self, method: str, path: str, *, query: Mapping[str, Any], body: bytes, content_type: str
    ) -> Iterator[Any]:
        """The values of an answer of a line each, as they come. Raises Refused as `call` does."""
        for line in self._streamed(method, path, query, body, NDJSON, content_type):
            yield _decoded(line)

    def _streamed(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: bytes | None,
        accept: str,
        content_type: str,
    ) -> Iterator[bytes]:
        given = {k: _text(v) for k, v in query.items() if v not in (None, "")}
        target = self._parts.path.rstrip("/") + path + (f"?{urlencode(given)}" if given else "")
        sent = {"Authorization": f"Bearer {self._key}", "Accept": accept}
        if body is not None:
            sent["Content-Type"] = content_type
        connection = self._connection()
        try:
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            if response.status >= 400:
                found = {name.lower(): value for name, value in response.getheaders()}
                data = _decoded(response.read())
                raise Refused(explained(Answer(status=response.status, body=data, headers=found)))
            yield from response
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{self.address} does not answer: {error}") from error
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Any:
        """The body of a GET."""
        return self.call("GET", path, query=query).body

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The body of the answer to a request with a JSON body."""
        data = None if body is None else msgspec.json.encode(body)
        return self.call(method, path, body=data).body

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            if self._own:
                # Its certificate is for the name that phones use. The address is this machine's
                # own, written by the process that holds the lock beside the key.
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection(
                host, port, timeout=limits.COMMAND_TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(host, port, timeout=limits.COMMAND_TIMEOUT_S)


def segment(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data) if data else None
    except msgspec.MsgspecError:
        return data.decode("utf-8", "replace")


def explained(answer: Answer) -> str:
    """A problem as a sentence, with the fields that are wrong."""
    if not isinstance(answer.body, dict):
        return f"the server answered {answer.status}"
    faults = [
        f"{fault.get('field') or 'body'}: {fault.get('reason')}"
        for fault in answer.body.get("errors", ())
    ]
    detail = str(answer.body.get("detail") or answer.body.get("title") or answer.status)
    return detail if len(faults) <= 1 and faults[:1] == [detail] else "\n  ".join([detail, *faults])
