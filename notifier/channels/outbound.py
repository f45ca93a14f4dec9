"""What channels over HTTP share: which addresses may be reached, answers within a bound, waits.

Addresses that strangers choose (a browser's push end-point, an integrator's hook) could point into
our own network. Names are resolved here, and every address that is not public is refused unless it
was allowed; the connection goes to what was checked, so a name cannot change its mind in between.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from notifier import limits
from notifier.errors import AddressRefused
from notifier.notifications import Failed, InDoubt, Outcome, Retry

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses of IPv4 as a translator writes them in IPv6 (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(ip: Ip) -> bool:
    """Whether an address lies in the open Internet, whichever way it is written."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(inner)
    return ip.is_global and not ip.is_multicast


def may_reach(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a numeric address is public, or in a network that was allowed."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return is_public(ip) or any(ip.version == net.version and ip in net for net in allowed)


def check_url(url: str, allowed: Sequence[Network]) -> None:
    """Refuse an address that must not be posted to; one with a name is checked when resolved.

    https, except to an address of our own that was allowed, by number; no user in it.

    Raises:
        AddressRefused: with the reason.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise AddressRefused(reason="the port is no number") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise AddressRefused(reason="expected https://host[:port]/path")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(reason="holds a user name")
    try:
        is_own = not is_public(ipaddress.ip_address(parts.hostname.partition("%")[0]))
    except ValueError:
        is_own = False
    if is_own and not may_reach(parts.hostname, allowed):
        raise AddressRefused(reason=f"{parts.hostname} is not a public address")
    if parts.scheme == "http" and not is_own:
        raise AddressRefused(reason="http carries no secret; use https")


class PublicResolver(AbstractResolver):
    """Resolves names to the addresses that may be reached, and to no others."""

    def __init__(self, allowed: Sequence[Network], inner: AbstractResolver | None = None) -> None:
        self._allowed = tuple(allowed)
        self._inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. OSError where it has none that may be reached."""
        found = await self._inner.resolve(host, port, family)
        kept = [each for each in found if may_reach(each["host"], self._allowed)]
        if found and not kept:
            raise OSError(f"{host} has no public address")
        return kept

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        await self._inner.close()


def session(
    *, connections: int, connect_s: float, answer_s: float, allowed: Sequence[Network]
) -> aiohttp.ClientSession:
    """A session that reaches public addresses only, keeps no cookies, and waits within bounds."""
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=60, resolver=PublicResolver(allowed)
    )
    timeout = aiohttp.ClientTimeout(
        total=connect_s + answer_s, sock_connect=connect_s, sock_read=answer_s
    )
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    )


def lost(error: aiohttp.ClientError | TimeoutError) -> Outcome:
    """What a request that got no answer comes to."""
    if isinstance(error, aiohttp.InvalidURL):
        return Failed(reason="the address is none")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        # No connection, so nothing left.
        return Retry(reason=f"no connection: {error}"[: limits.REASON_CHARS_MAX])
    kind = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return InDoubt(reason=kind)


async def read(response: aiohttp.ClientResponse) -> bytes:
    """An answer's body, up to ANSWER_BYTES_MAX and a little; the rest is not awaited."""
    out = bytearray()
    async for chunk in response.content.iter_any():
        out += chunk
        if len(out) > limits.ANSWER_BYTES_MAX:
            response.close()
            break
    return bytes(out)


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Retry-After in ms: seconds, or a date, which is taken against the answer's own Date."""
    found = headers.get("Retry-After", "").strip()
    if found.isascii() and found.isdigit():
        return min(int(found[:9]) * 1000, limits.RETRY_AFTER_MAX_MS)
    try:
        at = email.utils.parsedate_to_datetime(found)
        now = email.utils.parsedate_to_datetime(headers.get("Date", ""))
        wait_ms = round((at - now).total_seconds() * 1000)
    except (TypeError, ValueError):
        return None
    return min(max(0, wait_ms), limits.RETRY_AFTER_MAX_MS)


def topic(collapse_key: str) -> str:
    """A collapse key as a push topic: at most 32 characters of URL-safe base64 (RFC 8030)."""
    digest = hashlib.blake2b(collapse_key.encode(), digest_size=24).digest()
    return base64.urlsafe_b64encode(digest).decode()
