"""Messages as marketers write them, and what is wrong with one before it can be launched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from notifier import languages, limits, templates, text, variables
from notifier.errors import RenderFailed, TemplateRefused
from notifier.options import Options, Priority
from notifier.variables import Purpose, Reader

Template = Annotated[str, Meta(max_length=limits.TEMPLATE_CHARS_MAX)]
Address = Annotated[str, Meta(min_length=1, max_length=limits.URL_CHARS_MAX)]

_WEB: Final = re.compile(r"https?://[^\s/?#]+[^\s]*")
_APP: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,40}:[^\s]+")
_UNSAFE: Final = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
# FCM refuses these keys of a data payload.
_RESERVED: Final = re.compile(r"from|message_type|notification|(google|gcm|balise)[._].*")
_DATA_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The message in one language: Liquid templates. `image_url` and `link` replace the common."""

    title: Template
    body: Template
    image_url: Address | None = None
    link: Address | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign says, in one or more languages ({tag: text}).

    link: where a tap leads, a web address or the app's own scheme; variables in it are
    percent-encoded. image_url: https. data: for the app; instants and durations in it are ms,
    distances metres. All of them are templates.
    """

    texts: Annotated[dict[str, Text], Meta(min_length=1, max_length=limits.LANGUAGES_MAX)]
    image_url: Address | None = None
    link: Address | None = None
    data: Annotated[dict[str, Template], Meta(max_length=limits.DATA_KEYS_MAX)] = {}
    priority: Priority = "high"
    options: Options | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a message: where (texts.fr.title), a stable code, and why."""

    field: str
    code: str
    reason: str


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message in one language with everything filled in, fit to be shown."""

    lang: str
    title: str
    body: str
    image_url: str | None
    link: str | None
    data: dict[str, str]


def render(message: Message, *, values: Mapping[str, Any], reader: Reader) -> Rendered:
    """The message for a reader: language chosen, templates filled, cleaned, cut to length.

    Raises:
        RenderFailed: a value is missing or unusable, or nothing is left to show.
        TemplateRefused: a template that `check` would have refused.
    """
    lang = languages.choose(reader.languages, message.texts, reader.default)
    spoken = languages.reading(reader.languages, lang)
    # Names inside the text follow the text's language, not what the reader would have liked best.
    reader = msgspec.structs.replace(reader, lang=spoken, languages=(spoken, lang))
    chosen = message.texts[lang]

    def fill(source: str, field: str, purpose: Purpose) -> str:
        return templates.render(source, field=field, values=values, reader=reader, purpose=purpose)

    title = text.clean(fill(chosen.title, f"texts.{lang}.title", "read"), multiline=False)
    body = text.clean(fill(chosen.body, f"texts.{lang}.body", "read"), multiline=True)
    if not title and not body:
        raise RenderFailed(field=f"texts.{lang}", reason="nothing is left to show")
    image_url, link = chosen.image_url or message.image_url, chosen.link or message.link
    return Rendered(
        lang=lang,
        title=text.truncate(title, limits.TITLE_GRAPHEMES_MAX),
        body=text.truncate(body, limits.BODY_GRAPHEMES_MAX),
        image_url=_url("image_url", fill(image_url, "image_url", "link")) if image_url else None,
        link=_url("link", fill(link, "link", "link")) if link else None,
        data={
            key: text.clean(fill(source, f"data.{key}", "data"), multiline=True)
            for key, source in message.data.items()
        },
    )


def used(message: Message) -> frozenset[str]:
    """The variables that a message's templates speak of, by their first word.

    Raises:
        TemplateRefused: a template that `check` would have refused.
    """
    return frozenset().union(*(templates.names(source) for _, source, _ in _sources(message)))


def check(
    message: Message, names: Collection[str] | None, default_language: str
) -> tuple[Problem, ...]:
    """All that keeps a message from being launched; empty if nothing does.

    names: the variables that the campaign can supply, by their first word (zone, event, starts_in);
        None for all that exist.
    """
    return tuple(_problems(message, names, default_language))


def _problems(message: Message, names: Collection[str] | None, default: str) -> Iterator[Problem]:
    yield from _language_problems(message, default)
    refused = False
    for field, source, purpose in _sources(message):
        for problem in _template_problems(field, source, purpose, names):
            refused = True
            yield problem
    for key in message.data:
        if _DATA_KEY.fullmatch(key) is None or _RESERVED.fullmatch(key):
            reason = f"{key[:64]!r} cannot be a key of data: providers reserve it or refuse it"
            yield Problem(field=f"data.{key[:64]}", code="data_key", reason=reason)
    if not refused:
        yield from _trial_problems(message, default)


def _language_problems(message: Message, default: str) -> Iterator[Problem]:
    for tag in message.texts:
        if not languages.known(tag):
            reason = f"{tag[:40]!r} is not a language tag such as fr, fr-CA or zh-Hant"
            yield Problem(field=f"texts.{tag[:40]}", code="language", reason=reason)
        elif languages.normalise(tag) != tag:
            reason = f"write it {languages.normalise(tag)}"
            yield Problem(field=f"texts.{tag}", code="language", reason=reason)
    if not any(tag in message.texts for tag in languages.chain(default)):
        reason = f"the destination's default language {default} is missing"
        yield Problem(field="texts", code="default_language", reason=reason)


def _sources(message: Message) -> Iterator[tuple[str, str, Purpose]]:
    for tag, each in message.texts.items():
        yield f"texts.{tag}.title", each.title, "read"
        yield f"texts.{tag}.body", each.body, "read"
        for name, source in (("image_url", each.image_url), ("link", each.link)):
            if source is not None:
                yield f"texts.{tag}.{name}", source, "link"
    for name, source in (("image_url", message.image_url), ("link", message.link)):
        if source is not None:
            yield name, source, "link"
    for key, source in message.data.items():
        yield f"data.{key[:64]}", source, "data"


def _template_problems(
    field: str, source: str, purpose: Purpose, names: Collection[str] | None
) -> Iterator[Problem]:
    if purpose == "read" and not source.strip():
        yield Problem(field=field, code="empty", reason="is empty")
        return
    if text.has_controls(source):
        yield Problem(field=field, code="control", reason="holds control characters")
    if purpose == "read" and text.has_markup(_LIQUID.sub(" ", source)):
        reason = "holds HTML, which a push would show as it is; write plain text"
        yield Problem(field=field, code="markup", reason=reason)
    try:
        used = templates.names(source)
    except TemplateRefused as refused:
        yield Problem(field=field, code=refused.code, reason=refused.reason)
        return
    for name in sorted(used - frozenset(names)) if names is not None else ():
        reason = f"{name} has no value in this campaign: its trigger and conditions supply none"
        yield Problem(field=field, code="variable_unavailable", reason=reason)


def _trial_problems(message: Message, default: str) -> Iterator[Problem]:
    """What only shows when the message is filled in, tried with a sample of every variable."""
    values = variables.sample()
    for tag in message.texts:
        if not languages.known(tag):
            continue
        reader = Reader(languages=(tag,), lang=tag, default=default, time_zone="UTC")
        only = msgspec.structs.replace(message, texts={tag: message.texts[tag]})
        try:
            rendered = render(only, values=values, reader=reader)
        except RenderFailed as failed:
            yield Problem(field=failed.field, code="render", reason=failed.reason)
            continue
        for name, shown in (("title", rendered.title), ("body", rendered.body)):
            if shown.endswith(text.ELLIPSIS) and not getattr(
                message.texts[tag], name
            ).rstrip().endswith(text.ELLIPSIS):
                most = limits.TITLE_GRAPHEMES_MAX if name == "title" else limits.BODY_GRAPHEMES_MAX
                reason = f"is longer than the {most} characters that phones show"
                yield Problem(field=f"texts.{tag}.{name}", code="too_long", reason=reason)
        if size_bytes(rendered) > limits.TEXT_BYTES_MAX:
            reason = f"is over {limits.TEXT_BYTES_MAX} bytes, data included: providers refuse it"
            yield Problem(field=f"texts.{tag}", code="too_big", reason=reason)


def size_bytes(rendered: Rendered) -> int:
    """UTF-8 bytes of all that a rendered message carries."""
    parts = [rendered.title, rendered.body, rendered.image_url or "", rendered.link or ""]
    parts += [part for pair in rendered.data.items() for part in pair]
    return sum(len(part.encode()) for part in parts)


_LIQUID: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def _url(field: str, url: str) -> str:
    url = url.strip()
    if len(url) > limits.URL_CHARS_MAX or text.has_controls(url):
        raise RenderFailed(field=field, reason="is no address: too long, or control characters")
    scheme = url.split(":", 1)[0].lower()
    if scheme in {"http", "https"}:
        good = _WEB.fullmatch(url) is not None
    else:
        good = field == "link" and _APP.fullmatch(url) is not None and scheme not in _UNSAFE
    if not good:
        kinds = "http, https or the app's own" if field == "link" else "http or https"
        raise RenderFailed(field=field, reason=f"is no address of a scheme allowed here: {kinds}")
    return url
