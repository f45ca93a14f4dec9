"""Signed messages to and from integrators' servers, after Standard Webhooks.

A message carries its id, the time when it was sent and HMAC-SHA256 of both and the body, so that a
receiver knows who wrote it, that nobody altered it, and that it is no replay of an old one. During
a change of secrets a message is signed with both. `verify` is what a receiver does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from notifier import limits
from notifier.errors import CredentialsRefused, SignatureRefused

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"


def new_secret() -> str:
    """A fresh secret of 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key in a secret of the form whsec_<base64>. Raises CredentialsRefused."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CredentialsRefused(reason="the signing secret is not whsec_ and base64") from error
    if len(key) < limits.SIGNATURE_SECRET_BYTES_MIN:
        least = limits.SIGNATURE_SECRET_BYTES_MIN
        raise CredentialsRefused(reason=f"the signing secret has under {least} bytes")
    return key


def sign(keys: Sequence[bytes], message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that sign a body with each key; at_s: seconds since 1970."""
    return {
        ID: message_id,
        TIMESTAMP: str(at_s),
        SIGNATURE: " ".join(_VERSION + _digest(key, message_id, str(at_s), body) for key in keys),
    }


def verify(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_s: float
) -> tuple[str, int]:
    """The id and time of a message that one of the keys signed within SIGNATURE_WINDOW_S of now.

    A receiver also drops an id that it has seen before: it is the same message, sent again.

    Raises:
        SignatureRefused: it is forged, altered, or a replay.
    """
    message_id, at = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "")
    if not message_id or not given:
        raise SignatureRefused(reason="it is not signed")
    if not at.isascii() or not at.isdigit() or len(at) > 12:
        raise SignatureRefused(reason="its time is no number of seconds")
    wanted = [_digest(key, message_id, at, body) for key in keys]
    # All are compared, whatever the first comparison says: no time tells how far one got.
    matches = [
        hmac.compare_digest(each.removeprefix(_VERSION).encode(), one.encode())
        for each in given.split(" ")
        if each.startswith(_VERSION)
        for one in wanted
    ]
    if not any(matches):
        raise SignatureRefused(reason="no signature fits")
    if abs(now_s - int(at)) > limits.SIGNATURE_WINDOW_S:
        raise SignatureRefused(reason="its time is too far from now: a replay")
    return message_id, int(at)


def _digest(key: bytes, message_id: str, at: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), at.encode(), body))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
