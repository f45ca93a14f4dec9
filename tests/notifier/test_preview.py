"""Previews: what phones will show, in every language."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifier import limits, preview, text, variables
from notifier.messages import Message, Text

MESSAGE = Message(
    texts={
        "fr": Text(title="Vers {{ zone.name }}", body="Départ dans {{ starts_in }}."),
        "ar": Text(title="نحو {{ zone.name }}", body="الانطلاق بعد {{ starts_in }}"),
        "en": Text(title="{{ zone.name }}", body="long " * 60),
    },
    link="https://example.org/{{ zone.id }}",
)


def shown_of(message: Message) -> dict[str, preview.Preview]:
    found = preview.previews(message, variables.sample(), default="fr", time_zone="Europe/Paris")
    return {each.lang: each for each in found}


def test_every_language_is_shown_in_its_own_words_and_direction() -> None:
    found = shown_of(MESSAGE)
    assert list(found) == ["fr", "ar", "en"]
    assert [each.right_to_left for each in found.values()] == [False, True, False]
    assert "minutes" in found["fr"].body
    assert all(each.problem is None for each in found.values())
    assert found["fr"].link is not None
    assert found["fr"].size_bytes > 0


def test_a_long_body_is_cut_where_each_platform_cuts_it() -> None:
    found = shown_of(MESSAGE)["en"]
    for platform, (_, room) in preview.ROOM.items():
        shown = found.platforms[platform]
        assert shown.is_cut
        assert room - 1 <= len(shown.body) <= room
        assert shown.body.endswith(text.ELLIPSIS)
    assert not shown_of(MESSAGE)["fr"].platforms["ios"].is_cut
    assert limits.IOS_BODY_SHOWN < limits.ANDROID_BODY_SHOWN


def test_a_language_that_cannot_be_filled_in_says_why_and_leaves_the_others() -> None:
    message = Message(
        texts={
            "fr": Text(title="{{ event.booking_url }}", body="x"),
            "en": Text(title="{{ visitor.attributes.name | plural: 'a', 'b' }}", body="y"),
        }
    )
    found = shown_of(message)
    assert found["fr"].problem is None
    assert found["en"].problem


@given(st.text(), st.text(), st.sampled_from(sorted(preview.ROOM)))
def test_what_is_shown_is_the_beginning_and_fits(title: str, body: str, platform: str) -> None:
    shown = preview.shown(title, body, platform)
    title_most, body_most = preview.ROOM[platform]
    assert len(text.graphemes(shown.title)) <= title_most
    assert len(text.graphemes(shown.body)) <= body_most
    assert "\n" not in shown.body
    assert title.startswith(shown.title.removesuffix(text.ELLIPSIS)) or not shown.is_cut
