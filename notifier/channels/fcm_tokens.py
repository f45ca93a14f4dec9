"""Access tokens for FCM: the service account's, refreshed ahead of expiry and off the loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, Protocol

import google.auth.exceptions
import google.auth.transport.requests
import requests
from firebase_admin import credentials
from google.auth.credentials import TokenState

from notifier import limits
from notifier.errors import CredentialsRefused


class Tokens(Protocol):
    """Where a bearer token comes from."""

    async def bearer(self, refused: str | None = None) -> str:
        """A token to send with; another than `refused`, which the provider no longer takes.

        Raises:
            CredentialsRefused: none can be had for now.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ServiceAccountTokens:
    """Tokens by firebase-admin's Certificate, from the `token_uri` in the service account.

    A token that has less than 3 min 45 s left is still used while the next is fetched in a thread;
    google-auth's own refresh would block the loop.

    Raises:
        CredentialsRefused: the service account is not usable.
    """

    def __init__(self, service_account: Mapping[str, Any]) -> None:
        try:
            certificate = credentials.Certificate(dict(service_account))
        except ValueError as error:
            raise CredentialsRefused(reason=str(error)[: limits.REASON_CHARS_MAX]) from error
        self.project_id = str(certificate.project_id or "")
        if not self.project_id:
            raise CredentialsRefused(reason="the service account names no project_id")
        self._credential = certificate.get_credential()
        self._session = requests.Session()
        request = google.auth.transport.requests.Request(self._session)
        self._request = functools.partial(request, timeout=limits.TOKEN_REFRESH_S)
        self._refresh: asyncio.Task[None] | None = None
        self._failed: CredentialsRefused | None = None
        self._failed_at_s = 0.0

    async def bearer(self, refused: str | None = None) -> str:
        """A token. Raises CredentialsRefused."""
        state = self._credential.token_state
        if state is TokenState.INVALID or self._credential.token == refused:
            await asyncio.shield(self._refreshing())
        elif state is TokenState.STALE and not self._pausing():
            self._refreshing()
        return str(self._credential.token)

    async def close(self) -> None:
        """Wait for a refresh under way, and let go of connections."""
        if self._refresh is not None:
            await asyncio.wait([self._refresh])
        self._session.close()

    def _pausing(self) -> bool:
        elapsed_s = asyncio.get_running_loop().time() - self._failed_at_s
        return self._failed is not None and elapsed_s < limits.TOKEN_PAUSE_S

    def _refreshing(self) -> asyncio.Task[None]:
        if self._failed is not None and self._pausing():
            raise self._failed
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._exchange())
            # A refresh ahead of need has nobody waiting for it; its failure is kept in _failed.
            self._refresh.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refresh

    async def _exchange(self) -> None:
        try:
            await asyncio.to_thread(self._credential.refresh, self._request)
        except (google.auth.exceptions.GoogleAuthError, ValueError) as error:
            reason = f"no access token: {error.args[0] if error.args else error}"
            self._failed = CredentialsRefused(reason=reason[: limits.REASON_CHARS_MAX])
            self._failed_at_s = asyncio.get_running_loop().time()
            raise self._failed from error
        self._failed = None
