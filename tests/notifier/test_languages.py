from __future__ import annotations

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from notifier import languages
from notifier.errors import LanguageRefused

tags = st.sampled_from([each.replace("_", "-") for each in locale_identifiers()]).filter(
    languages.known
)


@pytest.mark.parametrize(
    ("given_tag", "usual"),
    [
        ("FR_ca", "fr-CA"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("EN", "en"),
        ("fr_CA.UTF-8", "fr-CA"),
        ("es-419", "es-419"),
        ("de-u-co-phonebk", "de"),
        ("ca-valencia", "ca"),
    ],
)
def test_tags_get_their_usual_case(given_tag: str, usual: str) -> None:
    assert languages.normalise(given_tag) == usual


@pytest.mark.parametrize(
    "tag", ["", "f", "french", "fr-", "-fr", "*", "fr-CA-" + "x" * 99, "é", "1"]
)
def test_what_is_no_tag_is_refused(tag: str) -> None:
    assert not languages.known(tag)
    with pytest.raises(LanguageRefused):
        languages.normalise(tag)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("fr-CA", ("fr-CA", "fr")),
        ("fr", ("fr",)),
        ("zh-TW", ("zh-TW", "zh-Hant-TW", "zh-Hant")),
        ("zh-CN", ("zh-CN", "zh")),
        ("sr-Latn-RS", ("sr-Latn-RS", "sr-Latn")),
        ("pt-BR", ("pt-BR", "pt")),
    ],
)
def test_the_chain_goes_from_the_region_to_the_language(tag: str, expected: object) -> None:
    assert languages.chain(tag) == expected


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        (["fr-CA"], ["en", "fr", "fr-CA"], "fr-CA"),
        (["fr-CA"], ["en", "fr"], "fr"),
        (["fr-CH"], ["en", "fr-FR"], "fr-FR"),
        (["ja", "de-AT"], ["en", "de"], "de"),
        (["ja"], ["en", "de"], "en"),
        (["zh-TW"], ["zh", "en"], "en"),
        (["zh-TW"], ["zh-Hant", "zh", "en"], "zh-Hant"),
        (["zh-HK"], ["zh-TW", "zh", "en"], "zh-TW"),
        ([], ["de", "en"], "en"),
        (["??", "de"], ["de", "en"], "de"),
        (["ja"], ["de"], "de"),
        (["en-GB"], ["EN", "fr"], "EN"),
    ],
)
def test_the_best_language_is_chosen(wanted: list[str], available: list[str], chosen: str) -> None:
    assert languages.choose(wanted, available, "en") == chosen


@given(st.lists(tags, max_size=4), st.lists(tags, min_size=1, max_size=6), tags)
def test_what_is_chosen_is_there(wanted: list[str], available: list[str], default: str) -> None:
    assert languages.choose(wanted, available, default) in available


@given(tags, st.lists(tags, max_size=5))
def test_the_very_language_wins(tag: str, others: list[str]) -> None:
    assert languages.choose([tag], [*others, tag], "en") == tag


@given(tags)
def test_a_chain_only_gets_shorter_or_names_the_script(tag: str) -> None:
    chain = languages.chain(tag)
    assert chain[0] == languages.normalise(tag)
    assert len(set(chain)) == len(chain)
    assert all(part.split("-")[0] == chain[0].split("-")[0] for part in chain)


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(LanguageRefused):
        languages.choose(["fr"], [], "en")
    assert languages.pick({}, ["fr"], "en") == ""


def test_a_reader_keeps_the_region_for_times_and_numbers() -> None:
    assert languages.reading(["ja", "en-GB"], "en") == "en-GB"
    assert languages.reading(["ja"], "en") == "en"
    assert languages.reading(["zh-TW"], "zh") == "zh"


def test_an_unknown_language_prints_as_english() -> None:
    assert str(languages.locale("xx")) == "en"
    assert str(languages.locale("de-FR")) == "de"
