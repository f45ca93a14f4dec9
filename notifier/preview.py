"""What a message will look like: every language, on every kind of phone, before anyone is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from notifier import languages, limits, messages, text
from notifier.errors import RenderFailed, TemplateRefused
from notifier.messages import Message
from notifier.variables import Reader


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform shows of a message before anyone unfolds it; is_cut: not all of it."""

    title: str
    body: str
    is_cut: bool


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A message in one language: in full, and by platform. `problem` says why there is none.

    lang: of the text. size_bytes: of all that travels with it, of the 4,096 that providers take.
    """

    lang: str
    right_to_left: bool
    title: str = ""
    body: str = ""
    image_url: str | None = None
    link: str | None = None
    data: dict[str, str] = {}
    size_bytes: int = 0
    platforms: dict[str, Shown] = {}
    problem: str | None = None


ROOM: Final[Mapping[str, tuple[int, int]]] = {
    "android": (limits.ANDROID_TITLE_SHOWN, limits.ANDROID_BODY_SHOWN),
    "ios": (limits.IOS_TITLE_SHOWN, limits.IOS_BODY_SHOWN),
    "web": (limits.WEB_TITLE_SHOWN, limits.WEB_BODY_SHOWN),
}
"""Characters, as readers count them, of title and body that a folded notification shows."""


def previews(
    message: Message, values: Mapping[str, Any], *, default: str, time_zone: str
) -> list[Preview]:
    """The message in each of its languages, filled in with `values`; times in `time_zone`."""
    return [_preview(message, lang, values, default, time_zone) for lang in message.texts]


def _preview(
    message: Message, lang: str, values: Mapping[str, Any], default: str, time_zone: str
) -> Preview:
    right_to_left = languages.right_to_left(lang)
    reader = Reader(languages=(lang,), lang=lang, default=default, time_zone=time_zone)
    only = msgspec.structs.replace(message, texts={lang: message.texts[lang]})
    try:
        rendered = messages.render(only, values=values, reader=reader)
    except (RenderFailed, TemplateRefused) as error:
        return Preview(lang=lang, right_to_left=right_to_left, problem=str(error))
    return Preview(
        lang=lang,
        right_to_left=right_to_left,
        title=rendered.title,
        body=rendered.body,
        image_url=rendered.image_url,
        link=rendered.link,
        data=rendered.data,
        size_bytes=messages.size_bytes(rendered),
        platforms={name: shown(rendered.title, rendered.body, name) for name in ROOM},
    )


def shown(title: str, body: str, platform: str) -> Shown:
    """What a platform shows of a title and a body: one paragraph, cut where the room ends."""
    title_most, body_most = ROOM[platform]
    one_line = " ".join(body.split("\n"))
    cut_title, cut_body = text.cut(title, title_most), text.cut(one_line, body_most)
    return Shown(
        title=cut_title,
        body=cut_body,
        is_cut=(cut_title, cut_body) != (title, one_line),
    )
