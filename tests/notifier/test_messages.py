from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from notifier import limits, variables
from notifier.errors import RenderFailed
from notifier.messages import Message, Problem, Text, check, render, size_bytes
from notifier.variables import Reader

PADDLE = Message(
    texts={
        "fr": Text(
            title="Vous êtes au bord du lac",
            body="Une balade en paddle au coucher du soleil commence dans {{ starts_in }}.",
        ),
        "en": Text(
            title="You're by the lake",
            body="A sunset paddle starts in {{ starts_in }}.",
            link="https://example.org/en/{{ event.id }}",
        ),
    },
    link="balise://event/{{ event.id }}",
    image_url="{{ event.image_url }}",
    data={"start": "{{ event.start }}"},
)


def reader(*languages: str) -> Reader:
    return Reader(languages=languages, lang="fr", default="fr", time_zone="Europe/Paris")


def codes(message: Message, names: set[str] | None = None, default: str = "fr") -> list[str]:
    return [f"{each.field} {each.code}" for each in check(message, names, default)]


def one(**changes: Any) -> Message:
    text = Text(title=changes.pop("title", "Titre"), body=changes.pop("body", "Corps"))
    return Message(texts={"fr": text}, **changes)


def test_the_sentence_of_the_brief_is_said_in_each_language() -> None:
    values = variables.sample()
    fr = render(PADDLE, values=values, reader=reader("fr-CA"))
    en = render(PADDLE, values=values, reader=reader("en-GB", "fr"))
    assert (fr.lang, en.lang) == ("fr", "en")
    assert fr.body.replace("\xa0", " ") == (
        "Une balade en paddle au coucher du soleil commence dans 30 minutes."
    )
    assert en.body == "A sunset paddle starts in 30 minutes."
    assert (fr.link, en.link) == ("balise://event/Exemple", "https://example.org/en/Exemple")
    assert fr.image_url == "https://example.org/a"
    assert fr.data == {"start": "1787000000000"}
    assert check(PADDLE, None, "fr") == ()


def test_names_follow_the_language_of_the_text() -> None:
    # A Japanese reader gets French, the default; the lake then has its French name.
    message = one(body="{{ zone.name }}")
    values = {"zone": {"name": {"ja": "湖", "fr": "Le lac", "en": "The lake"}}}
    assert render(message, values=values, reader=reader("ja", "en")).body == "Le lac"


def test_a_message_is_json_and_refuses_fields_it_does_not_know() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PADDLE), type=Message) == PADDLE
    good: dict[str, Any] = {"texts": {"fr": {"title": "a", "body": "b"}}}
    bads: list[dict[str, Any]] = [
        {**good, "titel": "x"},
        {"texts": {"fr": {"title": "a", "body": "b", "x": 1}}},
        {"texts": {}},
        {"texts": {"fr": {"title": "a"}}},
        {**good, "options": {"android": {"colour": "#fff"}}},
        {**good, "priority": "urgent"},
    ]
    for bad in bads:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(bad), type=Message)


def test_the_default_language_must_be_there() -> None:
    assert codes(PADDLE, default="de") == ["texts default_language"]
    assert codes(PADDLE, default="en-GB") == []


def test_tags_are_written_in_their_usual_case() -> None:
    text = Text(title="a", body="b")
    message = Message(texts={"fr": text, "FR_ca": text, "klingon!": text})
    assert codes(message) == ["texts.FR_ca language", "texts.klingon! language"]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (one(title=" "), "texts.fr.title empty"),
        (one(body="<b>gras</b>"), "texts.fr.body markup"),
        (one(body="caf&eacute;"), "texts.fr.body markup"),
        (one(body="a\x07b"), "texts.fr.body control"),
        (one(body="a\u202eb"), "texts.fr.body control"),
        (one(body="{{ zone.nom }}"), "texts.fr.body unknown_variable"),
        (one(body="{{ zone.name"), "texts.fr.body template_syntax"),
        (one(body="{{ zone }}"), "texts.fr.body render"),
        (one(body="{{ sunset | upcase | date }}"), "texts.fr.body render"),
        (one(title="x" * 66), "texts.fr.title too_long"),
        (one(body="x" * 501), "texts.fr.body too_long"),
        (one(link="javascript:alert(1)"), "link render"),
        (one(link="data:text/html,x"), "link render"),
        (one(link="nothing"), "link render"),
        (one(link="https://"), "link render"),
        (one(image_url="balise://x"), "image_url render"),
        (one(image_url="{{ event.nmae }}"), "image_url unknown_variable"),
        (one(data={"from": "x"}), "data.from data_key"),
        (one(data={"google.x": "x"}), "data.google.x data_key"),
        (one(data={"a b": "x"}), "data.a b data_key"),
        (one(data={"a": "{{ x }}"}), "data.a unknown_variable"),
        (one(data={f"k{number}": "é" * 500 for number in range(4)}), "texts.fr too_big"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(message: Message, problem: str) -> None:
    assert codes(message) == [problem]
    assert all(each.reason for each in check(message, None, "fr"))


def test_comparisons_in_a_template_are_no_markup() -> None:
    message = one(body="{% if starts_in <minutes %}x{% endif %}ici")
    assert "texts.fr.body markup" not in codes(message)
    assert codes(one(body="Moins de 5 €? < 6 & plus")) == []


def test_every_problem_is_found_at_once() -> None:
    message = Message(
        texts={"en": Text(title="{{ a }}", body="<i>x"), "fr": Text(title="", body="{{ b }}")}
    )
    assert codes(message, default="de") == [
        "texts default_language",
        "texts.en.title unknown_variable",
        "texts.en.body markup",
        "texts.fr.title empty",
        "texts.fr.body unknown_variable",
    ]


def test_variables_that_the_campaign_cannot_supply_are_refused() -> None:
    assert codes(PADDLE, {"zone", "starts_in", "event"}) == []
    problems = check(PADDLE, {"zone", "starts_in"}, "fr")
    assert {each.code for each in problems} == {"variable_unavailable"}
    assert {each.field for each in problems} == {
        "texts.en.link",
        "image_url",
        "link",
        "data.start",
    }
    assert isinstance(problems[0], Problem)


def test_a_long_value_is_cut_at_run_time_and_not_refused() -> None:
    values = {"zone": {"name": {"fr": "Lac " * 100}}}
    shown = render(one(title="{{ zone.name }}"), values=values, reader=reader("fr"))
    assert shown.title.endswith("…")
    assert len(shown.title) <= limits.TITLE_GRAPHEMES_MAX


def test_html_in_a_value_does_not_leak() -> None:
    values = {"event": {"name": {"fr": "<p>Fête&nbsp;du <b>lac</b></p><script>x()</script>"}}}
    shown = render(
        one(title="{{ event.name }}", body="<{{ event.name }}>"), values=values, reader=reader("fr")
    )
    assert shown.title == "Fête\xa0du lac"
    assert "<" not in shown.body


def test_a_missing_value_fails_rather_than_leaving_a_hole() -> None:
    with pytest.raises(RenderFailed) as failed:
        render(PADDLE, values={}, reader=reader("fr"))
    assert failed.value.field == "texts.fr.body"
    with pytest.raises(RenderFailed, match="nothing is left"):
        render(one(title="{% if zone %}x{% endif %}", body="<x>"), values={}, reader=reader("fr"))


def test_a_link_made_of_values_cannot_change_its_scheme() -> None:
    for evil in ("javascript:alert(1)", "//evil.example"):
        values = {"event": {"id": evil, "booking_url": evil}}
        with pytest.raises(RenderFailed):
            render(one(link="{{ event.booking_url }}"), values=values, reader=reader("fr"))
        with pytest.raises(RenderFailed):
            render(one(link="{{ event.id }}"), values=values, reader=reader("fr"))


def test_size_counts_bytes() -> None:
    shown = render(one(title="é", body="🌅"), values={}, reader=reader("fr"))
    assert size_bytes(shown) == 6
