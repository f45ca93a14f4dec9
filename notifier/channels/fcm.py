"""Firebase Cloud Messaging, HTTP v1.

firebase-admin is the source of credentials, of message encoding and of error types; the request
itself is a plain POST by aiohttp, five times as cheap as the SDK's, and sent exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from notifier import limits
from notifier.channels import fcm_wire, outbound
from notifier.channels.fcm_tokens import ServiceAccountTokens
from notifier.errors import ChannelClosed, CredentialsRefused
from notifier.notifications import Failed, Notification, Outcome, Retry


class FcmChannel:
    """Sends to Android, iOS and browsers through one Firebase project.

    service_account: the parsed JSON that the Firebase console gives out; its `token_uri` is asked
        for access tokens. endpoint: where messages are posted, another for a stand-in.
    connections: open at once. answer_s: how long an answer is awaited before it counts as lost.

    Raises:
        CredentialsRefused: the service account is not usable.
    """

    name = "fcm"
    batch_max = 1
    idempotent = False

    def __init__(
        self,
        service_account: Mapping[str, Any],
        *,
        endpoint: str = "https://fcm.googleapis.com",
        connections: int = limits.CONCURRENCY_DEFAULT,
        answer_s: float = limits.FCM_ANSWER_S,
    ) -> None:
        self._tokens = ServiceAccountTokens(service_account)
        self._url = fcm_wire.send_url(endpoint, self._tokens.project_id)
        self._encoder = fcm_wire.Encoder()
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(
            total=limits.FCM_CONNECT_S + answer_s,
            sock_connect=limits.FCM_CONNECT_S,
            sock_read=answer_s,
        )
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready to send; no connection is made yet."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, headers=fcm_wire.HEADERS
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
            await self._tokens.close()

    async def _one(
        self, session: aiohttp.ClientSession, notification: Notification, now_ms: int
    ) -> Outcome:
        try:
            body = self._encoder.encode(notification, now_ms)
        except ValueError as error:
            return Failed(reason=f"not encodable: {error}"[: limits.REASON_CHARS_MAX])
        refused: str | None = None
        # A token can be revoked before it expires: one 401 is answered with a fresh one.
        for _ in range(2):
            try:
                refused = await self._tokens.bearer(refused)
            except CredentialsRefused as error:
                return Retry(reason=error.reason, after_ms=round(limits.TOKEN_PAUSE_S * 1000))
            outcome = await self._post(session, body, refused)
            if outcome is not None:
                return outcome
        return Retry(reason="the access token is refused", after_ms=None)

    async def _post(
        self, session: aiohttp.ClientSession, body: bytes, token: str
    ) -> Outcome | None:
        """The outcome of one request; None where the token was refused."""
        try:
            async with session.post(
                self._url,
                data=body,
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
            ) as response:
                answer = await outbound.read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            return outbound.lost(error)
        return fcm_wire.outcome(response.status, response.headers, answer)
