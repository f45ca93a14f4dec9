"""Who is at the other end: proxies are believed only where the settings name them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from api.settings import Settings


def address_of(request: web.Request, settings: Settings) -> str:
    """The caller's address: the first, from the near end, that is no trusted proxy's."""
    address = request.remote or ""
    if not settings.trusted_proxies or not _trusted(address, settings.trusted_proxies):
        return address
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    for hop in reversed(hops):
        try:
            ipaddress.ip_address(hop)
        except ValueError:
            break  # what a proxy did not write is not believed
        address = hop
        if not _trusted(hop, settings.trusted_proxies):
            break
    return address


def origin_of(request: web.Request, settings: Settings) -> str:
    """Scheme and host by which the caller reaches this server."""
    if settings.public_url:
        return "/".join(settings.public_url.split("/")[:3])
    scheme = request.scheme
    if settings.trusted_proxies and _trusted(request.remote or "", settings.trusted_proxies):
        forwarded = request.headers.get("X-Forwarded-Proto", "")
        scheme = forwarded if forwarded in ("http", "https") else scheme
    return f"{scheme}://{request.host}"


def _trusted(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network) for network in networks)
