"""Bounds of the notifier, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Messages, as written by marketers.
LANGUAGES_MAX: Final = 40
"""Texts in one message. CLDR knows about 100 languages well; no destination writes 40."""

TEMPLATE_CHARS_MAX: Final = 2_000
"""One template. What a phone can show is far shorter; conditions need room."""

TITLE_GRAPHEMES_MAX: Final = 65
"""Android cuts a collapsed title at about 65 characters, iOS at about 50."""

BODY_GRAPHEMES_MAX: Final = 500
"""Expanded Android notifications show about 450-500 characters; more is never read."""

ANDROID_TITLE_SHOWN: Final = 65
"""Characters of a title that an Android phone shows; senders of pushes publish about 65."""

ANDROID_BODY_SHOWN: Final = 240
"""The same of a body: about 240."""

IOS_TITLE_SHOWN: Final = 50
"""An iPhone shows one line of a title, some 50 characters."""

IOS_BODY_SHOWN: Final = 178
"""The same of a body on the locked screen: four lines, about 178."""

WEB_TITLE_SHOWN: Final = 50
"""Desktop browsers show one line of a title."""

WEB_BODY_SHOWN: Final = 120
"""The least of what Chrome, Edge and Firefox show of a body: about 120."""

URL_CHARS_MAX: Final = 1_024
"""A link or an image address: a quarter of the 4,096 bytes that FCM allows a message."""

DATA_KEYS_MAX: Final = 20
"""Data fields. All of a push, data included, has to fit 4,096 bytes."""

DATA_VALUE_CHARS_MAX: Final = 1_000
"""One data value; the same budget."""

TEXT_BYTES_MAX: Final = 3_000
"""Title, body, link, image and data of one rendered message in UTF-8, which leaves the 1,000 other
bytes of FCM's 4,096 to its envelope."""

# Templates, as they are run.
TEMPLATE_NESTING_MAX: Final = 6
"""Blocks in blocks: more is not a push."""

TEMPLATE_OUTPUT_CHARS_MAX: Final = 8_000
"""What a template may write before it is cut for good."""

TEMPLATE_LOCALS_BYTES_MAX: Final = 20_000
"""What `assign` may hold: doubling a string in it ends here."""

TEMPLATES_CACHED_MAX: Final = 4_096
"""Parsed templates kept: 40 campaigns in 20 languages with 5 templates each."""

VARIABLE_CHARS_MAX: Final = 1_000
"""One text value put into a template."""

MARKUP_PASSES_MAX: Final = 4
"""How often markup is looked for again in what removing markup left."""

# Planning.
DEVICES_PER_VISITOR_MAX: Final = 20
"""Phones, tablets and browsers of one visitor that one decision reaches."""

# Dispatch.
CLAIM_MAX: Final = 500
"""Rows claimed from the outbox at once: one short transaction, and no more than FCM's SDK takes."""

CONCURRENCY_DEFAULT: Final = 64
"""Sends in flight on one channel: at the 50-100 ms that FCM takes, some 1,000 a second."""

SETTLE_MAX: Final = 1_000
"""Results written in one transaction."""

ATTEMPTS_MAX: Final = 8
"""Tries of one notification: with the waits below, they outlast the default 15 minutes of life."""

RETRY_BASE_MS: Final = 1_000
"""Wait before the second try; it doubles with each. FCM asks for no less than a second."""

RETRY_MAX_MS: Final = 300_000
"""Longest wait that we choose ourselves; a provider may ask for more."""

RETRY_AFTER_MAX_MS: Final = 86_400_000
"""Longest wait that a provider may ask for: anything above is taken for a day."""

RATES_PER_MIN: Final[Mapping[str, int]] = {"fcm": 600_000, "webhook": 60_000}
"""Sends a minute by channel. FCM's quota is 600,000 a project and minute; a hook is somebody's own
server, for which 1,000 a second is a lot. Push services publish none: their 429s are obeyed."""

BREAKER_FAULTS: Final = 20
"""Faults in a row after which a channel pauses: fewer happen on a good day, more would burn the
attempts of what waits."""

BREAKER_PAUSE_MS: Final = 2_000
"""First pause before a single send is tried; it doubles with each that fails."""

BREAKER_PAUSE_MAX_MS: Final = 60_000
"""Longest pause of our own choice: a provider that is back is noticed within a minute."""

IDLE_POLL_S: Final = 0.25
"""How often an idle channel looks for due retries; new rows wake it at once."""

OUTBOX_PAUSE_S: Final = 0.5
"""Pause before the outbox is asked again after it failed."""

DRAIN_S: Final = 10.0
"""How long a stop waits for sends in flight; FCM answers well within."""

REASON_CHARS_MAX: Final = 300
"""A provider's reason, as kept beside a notification."""

# Channels over HTTP.
ANSWER_BYTES_MAX: Final = 65_536
"""An answer of FCM, a push service or a hook is under 2 KB; more is something else."""

# FCM.
FCM_CONNECT_S: Final = 5.0
"""Connection and TLS set-up: nothing was sent yet, so giving up is cheap."""

FCM_ANSWER_S: Final = 15.0
"""From the request to the whole answer: FCM's own SDK waits 120 s, longer than a place is left."""

FCM_TTL_MAX_S: Final = 2_419_200
"""28 days, FCM's ceiling."""

FCM_RETRY_QUOTA_MS: Final = 60_000
"""FCM: without Retry-After, wait a minute after a 429."""

FCM_RETRY_UNAVAILABLE_MS: Final = 1_000
"""FCM: without Retry-After, back off exponentially from a second after a 5xx."""

FCM_FRAMES_KEPT: Final = 256
"""Encoded messages kept for those who get the same words: some languages by a few platforms by
the seconds that their times to live fall into."""

TOKEN_REFRESH_S: Final = 20.0
"""One exchange of the service account for an access token."""

TOKEN_PAUSE_S: Final = 5.0
"""After a failed exchange, sends are put off this long instead of hammering the end-point."""

# Web Push.
WEBPUSH_CONNECT_S: Final = 5.0
"""Connection and TLS set-up, as for FCM."""

WEBPUSH_ANSWER_S: Final = 15.0
"""From the request to the whole answer. pywebpush itself would wait 10,000 s."""

WEBPUSH_BYTES_MAX: Final = 3_993
"""Plain text of one push: 4,096 bytes, the least that a push service has to take (RFC 8030), less
the 86 of the header and 17 of the encryption (RFC 8291)."""

WEBPUSH_RETRY_QUOTA_MS: Final = 60_000
"""Wait after a 429 that names no time: what FCM asks for, whose end-points most browsers use."""

WEBPUSH_CIPHERS_KEPT: Final = 100_000
"""Subscriptions whose decoded keys are kept: checking a point of the curve costs more than a
look-up."""

VAPID_LIFE_S: Final = 43_200
"""Life of a VAPID signature: push services take 24 hours at most (RFC 8292); half leaves room for
clocks that disagree."""

VAPID_REFRESH_S: Final = 3_600
"""A signature is renewed when less than this is left, so that none expires on its way."""

VAPID_ORIGINS_KEPT: Final = 1_000
"""Push services (origins) whose signatures are kept; the world has a dozen."""

# Webhook.
WEBHOOK_CONNECT_S: Final = 5.0
"""Connection and TLS set-up."""

WEBHOOK_ANSWER_S: Final = 10.0
"""A hook has to take the message and answer; working on it can wait."""

WEBHOOK_CONNECTIONS: Final = 16
"""Sends in flight to one hook: an integrator's server is not a push service."""

SIGNATURE_WINDOW_S: Final = 300
"""How far a signed time may lie from the receiver's clock; older is taken for a replay."""

SIGNATURE_SECRET_BYTES_MIN: Final = 24
"""Least length of a signing secret, as Standard Webhooks has it; 192 bits."""

# Inbox.
INBOX_BATCH_MAX: Final = 500
"""Entries stored in one transaction."""

INBOX_QUEUE_MAX: Final = 100
"""Entries waiting for one slow reader; it is then told to read again from the store."""

INBOX_READERS_MAX: Final = 50_000
"""Readers subscribed at once."""

# The stand-in for FCM.
STANDIN_KEPT_MAX: Final = 100_000
"""Messages the stand-in keeps for listing; the oldest go first."""

STANDIN_BODY_BYTES_MAX: Final = 65_536
"""A request to the stand-in; FCM itself refuses payloads over 4,096 bytes."""

FCM_PAYLOAD_BYTES_MAX: Final = 4_096
"""FCM's ceiling for the payload of one message."""
