"""Which text a reader gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.errors import RecordInvalid
from content.texts import chain, pick, require_language

TEXT = {"fr": "lac", "en": "lake", "pt-BR": "lago", "zh-Hant": "湖"}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("fr-CA", ["fr-CA", "fr"]),
        ("zh-Hant-TW", ["zh-Hant-TW", "zh-Hant", "zh"]),
        ("de-u-co-phonebk", ["de-u-co-phonebk", "de-u-co", "de"]),
        ("fr_FR", ["fr-FR", "fr"]),
        ("", []),
    ],
)
def test_a_tag_is_shortened_from_its_end(tag: str, expected: list[str]) -> None:
    assert chain(tag) == expected


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        (["fr-CA"], "fr"),
        (["FR-ca"], "fr"),
        (["zh-Hant-TW"], "zh-Hant"),
        (["pt"], "pt-BR"),
        (["pt-PT"], "pt-BR"),
        (["ja", "fr"], "fr"),
        (["ja"], "en"),
        ([], "en"),
        ([""], "en"),
    ],
)
def test_the_nearest_language_is_served_and_said(wanted: list[str], served: str) -> None:
    assert pick(TEXT, wanted, "en") == (served, TEXT[served])


def test_without_the_default_language_the_first_text_serves() -> None:
    assert pick({"fr": "lac"}, ["de"], "en") == ("fr", "lac")


def test_no_text_serves_nobody() -> None:
    assert pick({}, ["fr"], "en") is None


@given(st.dictionaries(st.sampled_from(["fr", "fr-CA", "en", "de-AT"]), st.text()), st.text())
def test_any_wish_gets_some_text_there_is(text: dict[str, str], wanted: str) -> None:
    found = pick(text, [wanted], "en")
    assert (found is None) == (not text)
    if found is not None:
        assert text[found[0]] == found[1]


def test_a_missing_default_language_is_said_with_its_field() -> None:
    require_language("name", {"fr": "lac"}, "fr")
    require_language("summary", {}, "fr")
    with pytest.raises(RecordInvalid) as caught:
        require_language("name", {"en": "lake"}, "fr")
    assert caught.value.field == "name"
