"""Web Push: straight to the push service that a browser subscribed with, without Firebase."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

import aiohttp

from notifier import limits
from notifier.channels import outbound, webpush_wire
from notifier.channels.outbound import Network
from notifier.channels.webpush_wire import Subscription
from notifier.errors import AddressRefused, ChannelClosed
from notifier.notifications import Failed, Notification, Outcome, Retired


class WebPushChannel:
    """Encrypts for each browser and posts to its end-point, once.

    private_key: PEM of the VAPID key; subject: mailto: or https:, for complaints. now_s: real
    time. allowed: networks of our own that end-points may lie in. connections: open at once.
    answer_s: how long an answer is awaited before it counts as lost.

    Raises:
        CredentialsRefused: the key or the subject is not usable.
    """

    name = "webpush"
    batch_max = 1
    idempotent = False

    def __init__(
        self,
        private_key: str,
        subject: str,
        *,
        now_s: Callable[[], float],
        allowed: Sequence[Network] = (),
        connections: int = limits.CONCURRENCY_DEFAULT,
        answer_s: float = limits.WEBPUSH_ANSWER_S,
    ) -> None:
        self._signer = webpush_wire.Signer(private_key, subject, now_s)
        self._allowed = tuple(allowed)
        self._connections = connections
        self._answer_s = answer_s
        self._encrypters: OrderedDict[str, Callable[[bytes], bytes]] = OrderedDict()
        self._session: aiohttp.ClientSession | None = None

    @property
    def public_key(self) -> str:
        """The applicationServerKey that pages subscribe with."""
        return self._signer.public_key

    async def open(self) -> None:
        """Make ready to send; no connection is made yet."""
        if self._session is None:
            self._session = outbound.session(
                connections=self._connections,
                connect_s=limits.WEBPUSH_CONNECT_S,
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
        try:
            subscription = webpush_wire.subscription(notification.address)
            outbound.check_url(subscription.endpoint, self._allowed)
            encrypt = self._encrypter(subscription)
        except AddressRefused as error:
            # No browser would have given it out: it never worked and never will.
            return Retired(reason=f"invalid_address: {error.reason}"[: limits.REASON_CHARS_MAX])
        try:
            body = encrypt(webpush_wire.payload(notification))
        except ValueError as error:
            return Failed(reason=f"not encodable: {error}"[: limits.REASON_CHARS_MAX])
        headers = webpush_wire.headers(notification, now_ms)
        headers["Authorization"] = self._signer.authorization(subscription.endpoint)
        try:
            async with session.post(
                subscription.endpoint, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await outbound.read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            return outbound.lost(error)
        return webpush_wire.outcome(response.status, response.headers, answer, notification.id)

    def _encrypter(self, subscription: Subscription) -> Callable[[bytes], bytes]:
        """What encrypts for a subscription, kept for the next push to it."""
        key = subscription.keys.p256dh + subscription.keys.auth
        found = self._encrypters.get(key)
        if found is None:
            found = self._encrypters[key] = webpush_wire.encrypter(subscription.keys)
            if len(self._encrypters) > limits.WEBPUSH_CIPHERS_KEPT:
                self._encrypters.popitem(last=False)
        return found
