"""Text in several languages: {language tag: text}, chosen by a BCP 47 chain.

Tags are written in the case RFC 5646 recommends (fr, fr-CA, zh-Hant, ca-valencia).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta

from content import limits
from content.errors import RecordInvalid

LANGUAGE_PATTERN = (
    r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$"
)

Language = Annotated[
    str,
    Meta(
        pattern=LANGUAGE_PATTERN,
        max_length=limits.LANGUAGE_CHARS_MAX,
        description="BCP 47 language tag in its recommended case, as fr, fr-CA or zh-Hant.",
    ),
]
_Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
_Summary = Annotated[str, Meta(min_length=1, max_length=limits.SUMMARY_CHARS_MAX)]
_Description = Annotated[str, Meta(min_length=1, max_length=limits.DESCRIPTION_CHARS_MAX)]

Name = Annotated[
    dict[Language, _Name],
    Meta(min_length=1, max_length=limits.LANGUAGES_MAX, description="Title by language."),
]
Summary = Annotated[
    dict[Language, _Summary],
    Meta(max_length=limits.LANGUAGES_MAX, description="A sentence or two by language."),
]
Description = Annotated[
    dict[Language, _Description],
    Meta(max_length=limits.LANGUAGES_MAX, description="The whole text by language."),
]


def chain(wanted: str) -> list[str]:
    """The tag and its ever shorter forms: zh-Hant-TW, zh-Hant, zh (RFC 4647, section 3.4).

    A singleton left at the end by shortening (the `u` of `de-u-co`) goes with what follows it.
    """
    subtags = wanted.replace("_", "-").split("-")
    forms = []
    while subtags and subtags[0]:
        if len(subtags[-1]) > 1 or len(subtags) == 1:
            forms.append("-".join(subtags))
        subtags.pop()
    return forms


def pick(text: Mapping[str, str], wanted: Iterable[str], default: str) -> tuple[str, str] | None:
    """The (language, text) that serves a reader best; None if there is no text at all.

    wanted: tags in order of preference. For each, its chain is tried, then any regional form of
    the same language (pt finds pt-BR). Then the default's chain, then the first in the order
    written. Case of tags does not matter.
    """
    by_tag = {tag.lower(): tag for tag in text}
    for tag in (*wanted, default):
        forms = [form.lower() for form in chain(tag)]
        if not forms:
            continue
        found = next((by_tag[form] for form in forms if form in by_tag), None)
        if found is None:
            base = forms[-1] + "-"
            found = next((own for low, own in by_tag.items() if low.startswith(base)), None)
        if found is not None:
            return found, text[found]
    return next(iter(text.items()), None)


def require_language(field: str, text: Mapping[str, str], language: str) -> None:
    """Raise RecordInvalid where a text that is given lacks the destination's default language."""
    if text and language not in text:
        raise RecordInvalid(field, f"has no text in the default language {language}")
