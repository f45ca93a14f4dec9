"""Webhook: a signed POST to an integrator's server, one a visitor and decision.

The signature and the headers are those of Standard Webhooks (see notifier.signatures). The id is
the notification's, so that a receiver that drops an id it has seen takes each message once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from notifier import limits, signatures
from notifier.channels import outbound
from notifier.channels.outbound import Network, retry_after_ms
from notifier.errors import ChannelClosed
from notifier.notifications import Accepted, Failed, InDoubt, Notification, Outcome, Retry

EVENT_TYPE = "notification.created"


class HookData(msgspec.Struct, frozen=True, kw_only=True):
    """The notification, as a receiver needs it. Times are ms since 1970 UTC."""

    id: str
    decision: str
    campaign: str
    variant: str | None
    visitor: str
    lang: str
    title: str
    body: str
    image_url: str | None
    link: str | None
    data: dict[str, str]
    tag: str
    collapse_key: str | None
    created_ms: int
    expires_ms: int


class HookBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted, as JSON."""

    type: str = EVENT_TYPE
    timestamp_ms: int
    data: HookData


class WebhookChannel:
    """Posts to one address.

    url: https, unless it is an address of our own by number. secrets: whsec_<base64>; the first
    signs, and the others too while they are changed. now_s: real time, since the receiver has no
    other. allowed: networks of our own that the address may lie in.

    Raises:
        AddressRefused: the address may not be reached.
        CredentialsRefused: a secret is not usable.
    """

    name = "webhook"
    batch_max = 1
    idempotent = True

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        now_s: Callable[[], float],
        allowed: Sequence[Network] = (),
        answer_s: float = limits.WEBHOOK_ANSWER_S,
    ) -> None:
        outbound.check_url(url, allowed)
        self._url = url
        self._keys = [signatures.key_of(secret) for secret in secrets]
        assert self._keys
        self._now_s = now_s
        self._allowed = tuple(allowed)
        self._answer_s = answer_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready to send; no connection is made yet."""
        if self._session is None:
            self._session = outbound.session(
                connections=limits.WEBHOOK_CONNECTIONS,
                connect_s=limits.WEBHOOK_CONNECT_S,
                answer_s=self._answer_s,
                allowed=self._allowed,
            )

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:
        """Post each notification once. Raises ChannelClosed."""
        session = self._session
        if session is None:
            raise ChannelClosed(name=self.name)
        if len(batch) == 1:  # spares a task a message
            return [await self._one(session, batch[0], now_ms)]
        return await asyncio.gather(*(self._one(session, each, now_ms) for each in batch))

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _one(
        self, session: aiohttp.ClientSession, notification: Notification, now_ms: int
    ) -> Outcome:
        body = encode(notification, now_ms)
        headers = signatures.sign(self._keys, notification.id, int(self._now_s()), body)
        headers["Content-Type"] = "application/json"
        try:
            async with session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await outbound.read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            return outbound.lost(error)
        status = response.status
        if 200 <= status < 300:
            return Accepted(provider_id=notification.id)
        said = answer.decode("utf-8", "replace").strip()
        reason = (f"HTTP {status}: {said}" if said else f"HTTP {status}")[: limits.REASON_CHARS_MAX]
        if status == 504:
            return InDoubt(reason=reason)
        if status >= 500 or status in {408, 429}:
            return Retry(reason=reason, after_ms=retry_after_ms(response.headers))
        return Failed(reason=reason)


def encode(notification: Notification, now_ms: int) -> bytes:
    """The body of the request that sends a notification at `now_ms`."""
    return msgspec.json.encode(
        HookBody(
            timestamp_ms=now_ms,
            data=HookData(
                id=notification.id,
                decision=notification.decision_id,
                campaign=notification.campaign,
                variant=notification.variant,
                visitor=notification.visitor,
                lang=notification.lang,
                title=notification.title,
                body=notification.body,
                image_url=notification.image_url,
                link=notification.link,
                data=notification.data,
                tag=notification.tag,
                collapse_key=notification.collapse_key,
                created_ms=notification.created_ms,
                expires_ms=notification.expires_ms,
            ),
        )
    )
