"""The reference pages on messages and delivery are made here: BALISE_WRITE_DOCS=1 rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

from notifier import lifecycle, limits, templates, variables
from notifier.lifecycle import ENDED, STATES, UNSENT
from notifier.variables import PATHS, SUFFIXES, Reader

NEWLINE = "\n"
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

MEANINGS = {
    "queued": "planned, not sent yet",
    "sending": "claimed, durably, before anything leaves",
    "retry": "not sent for a passing reason, or to be sent again after a lost answer",
    "in_doubt": "it may have been sent: its answer was lost",
    "sent": "the provider accepted it",
    "retired": "the address will never work again; the device is retired",
    "dead": "sending it again would not help, or was tried too often",
    "expired": "its time to live ended first",
    "dropped": "in doubt, and the campaign says not to send again",
    "cancelled": "no longer true right before the send (event cancelled), or taken back by hand",
}

KINDS = {
    "text": "text",
    "name": "text in several languages",
    "url": "address",
    "instant": "time of day; `date` and `weekday` print the rest; compares in ms",
    "duration": "30 minutes; compares in minutes",
    "distance": "250 m; compares in metres",
    "number": "number",
    "count": "number, for `plural`",
    "level": "crowd level in words; compares by name, as `very_busy`",
    "flag": "yes or no",
    "open": "whatever is there, by name",
}


def delivery() -> str:
    """docs/reference/delivery.md."""
    rows = [f"| `{state}` | {MEANINGS[state]} | {_released(state)} |" for state in STATES]
    return f"""\
# The states of a notification

Made from the table of `notifier/lifecycle.py` by `tests/notifier/test_reference.py`.

| state | meaning | ended |
|---|---|---|
{NEWLINE.join(rows)}

```mermaid
{lifecycle.diagram().rstrip()}
```

A notification is tried at most {limits.ATTEMPTS_MAX} times, within its time to live. Waits double
from {limits.RETRY_BASE_MS // 1000} s, with jitter; a provider's Retry-After is obeyed. Repeating is
harmless on the inbox, the log and the webhook (receivers drop an id that they have seen). On FCM
and Web Push a send whose answer was lost is repeated under the same
replacement tag, so that a phone shows it once, or dropped: the campaign says which. What was ever
in doubt may have been shown, so nothing that its decision had reserved is released.

Each channel has its own pace. FCM is sent at most {limits.RATES_PER_MIN["fcm"]:,} a minute.
After {limits.BREAKER_FAULTS} faults in a row a channel pauses, from
{limits.BREAKER_PAUSE_MS // 1000} s up to {limits.BREAKER_PAUSE_MAX_MS // 1000} s or for as long as
the provider asks; then a single message is tried. What waits meanwhile spends no attempts, and the
other channels do not notice. `balise deliveries list` shows what is where and why, `balise
deliveries requeue` sends what ended as `dead`, `dropped` or `retired` once more, while its time to
live lasts.
"""


def _released(state: str) -> str:
    if state in UNSENT:
        return "yes, unsent: what the decision had reserved is released"
    return "yes" if state in ENDED else "no"


def variables_page() -> str:
    """docs/reference/variables.md."""
    reader = Reader(languages=("en-GB",), lang="en-GB", default="en", time_zone="Europe/Paris")
    rows = []
    for path, kind in PATHS.items():
        raw = f"`{path}{SUFFIXES.get(kind, '')}`"
        shown = ""
        if kind != "open":
            filled = templates.render(
                "{{ " + path + " }}",
                field=path,
                values=variables.sample(),
                reader=reader,
                purpose="read",
            )
            shown = filled.replace("\u202f", " ").replace("\xa0", " ")
        name = f"`{path}`" if kind != "open" else f"`{path}.…`"
        rows.append(f"| {name} | {KINDS[kind]} | {raw} | {shown} |")
    return "\n".join(
        [
            "# The variables of messages",
            "",
            "What `{{ … }}` can name in the title, text, link and data of a message, and how it "
            "prints in",
            "British English. A variable without a value keeps a message from being sent, unless "
            '`| default: "…"`',
            "or `{% if … %}` takes care of it. Made by `tests/notifier/test_reference.py`.",
            "",
            "| variable | is | raw value under | for example |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Tags: {', '.join(f'`{tag}`' for tag in sorted(templates.TAGS))}. "
            f"Filters: {', '.join(f'`{name}`' for name in sorted(templates.FILTERS))}.",
            "",
        ]
    )


def test_the_reference_is_what_the_code_says() -> None:
    pages = {"delivery.md": delivery(), "variables.md": variables_page()}
    for name, page in pages.items():
        path = REFERENCE / name
        if os.environ.get("BALISE_WRITE_DOCS"):
            path.write_text(page, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == page, f"{name}: BALISE_WRITE_DOCS=1 rewrites it"


def test_everything_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(STATES)
    assert KINDS.keys() >= set(PATHS.values())
