from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import limits, templates, variables
from notifier.errors import RenderFailed, TemplateRefused
from notifier.variables import Purpose, Reader

AT_MS = 1_787_000_000_000  # 22:53 on Monday 17 August 2026 in Paris
VALUES: dict[str, Any] = {
    "zone": {"id": "lake", "name": {"fr": "Le lac", "en": "The lake"}, "level": "very_busy"},
    "event": {
        "id": "paddle 1/é",
        "name": {"fr": "Paddle"},
        "start_ms": AT_MS,
        "remaining": 1,
        "booking_url": "https://example.org/?a=1&b=2",
    },
    "visitor": {"language": "fr", "attributes": {"hotel": "Bellevue", "nights": 3, "vip": True}},
    "feed": {"water_c": 21.456},
    "starts_in_ms": 1_799_000,
    "distance_m": 231.0,
}


def reader(lang: str = "fr") -> Reader:
    return Reader(languages=(lang,), lang=lang, default="en", time_zone="Europe/Paris")


def fill(source: str, lang: str = "fr", purpose: Purpose = "read") -> str:
    filled = templates.render(
        source, field="texts.fr.body", values=VALUES, reader=reader(lang), purpose=purpose
    )
    return filled.replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("source", "lang", "expected"),
    [
        ("{{ zone.name }} {{ zone.level }}", "fr", "Le lac très fréquenté"),
        ("{{ zone.name }} {{ zone.level }}", "en", "The lake very busy"),
        ("{{ event.name }}", "de", "Paddle"),
        ("{{ starts_in }}, {{ distance }}", "fr", "30 minutes, 250 m"),
        ("{{ starts_in }}, {{ distance }}", "de", "30 Minuten, 250 m"),
        ("{{ event.start }}, {{ event.start | time }}", "fr", "22:53, 22:53"),
        ("{{ event.start | weekday }} {{ event.start | date }}", "fr", "lundi 17 août 2026"),
        ("{{ feed.water_c }}", "fr", "21,46"),
        ("{{ feed.water_c | round }}", "fr", "21"),
        ("{{ visitor.attributes.hotel }}", "fr", "Bellevue"),
        ("{{ visitor.attributes.nights | plus: 1 }}", "fr", "4.0"),
        ("{% if visitor.attributes.vip %}oui{% endif %}", "fr", "oui"),
        ("{{ place.name | default: 'ici' }}", "fr", "ici"),
        ("{% if place %}a{% else %}b{% endif %}", "fr", "b"),
        ("{% if event %}a{% else %}b{% endif %}", "fr", "a"),
        ("{% if starts_in < 30 %}a{% else %}b{% endif %}", "fr", "a"),
        ("{% if distance > 231 %}a{% else %}b{% endif %}", "fr", "b"),
        ("{% if zone.level == 'very_busy' %}a{% endif %}", "fr", "a"),
        ("{% case zone.level %}{% when 'quiet' %}q{% when 'very_busy' %}v{% endcase %}", "fr", "v"),
        ("{% if event.start > 5 %}a{% endif %}", "fr", "a"),
        ("{% unless place %}a{% endunless %}", "fr", "a"),
        ("{% assign x = zone.name | upcase %}{{ x }}!", "fr", "LE LAC!"),
        ("{{ event.remaining | plural: one: 'place', other: 'places' }}", "fr", "place"),
        ("{{ event.remaining }}", "fr", "1"),
        ("{{ 3 | plural: one: 'miejsce', few: 'miejsca', other: 'miejsc' }}", "pl", "miejsca"),
        ("{{ zone.name | truncate: 4 }}", "fr", "Le…"),
        ("{% comment %}{{ nothing.here }}{% endcomment %}x", "fr", "x"),
        ("rien à remplir { }", "fr", "rien à remplir { }"),
    ],
)  # fmt: skip
def test_values_print_as_their_type_and_language_say(source: str, lang: str, expected: str) -> None:
    assert fill(source, lang) == expected


def test_a_link_is_percent_encoded_and_machines_get_numbers() -> None:
    assert fill("balise://e/{{ event.id }}?n={{ zone.name }}", purpose="link") == (
        "balise://e/paddle%201%2F%C3%A9?n=Le%20lac"
    )
    assert fill("{{ event.booking_url }}", purpose="link") == "https://example.org/?a=1&b=2"
    source = "{{ event.start }} {{ starts_in }} {{ distance }} {{ zone.level }} {{ feed.water_c }}"
    assert fill(source, purpose="data") == f"{AT_MS} 1799000 231.0 very_busy 21.456"


@pytest.mark.parametrize(
    ("source", "nearest"),
    [
        ("{{ zon.name }}", "zone.name"),
        ("{{ zone.nmae }}", "zone.name"),
        ("{{ event.titel }}", None),
        ("{{ startsin }}", "starts_in"),
        ("{% if evnt.name %}{% endif %}", "event.name"),
        ("{{ zone.name.fr }}", "zone.name"),
        ("{{ starts_in.minutes }}", "starts_in"),
        ("{{ feed[zone.id] }}", None),
        ("{{ visitor.attributes }}", None),
        ("{{ _lang }}", None),
    ],
)
def test_unknown_variables_are_refused_with_the_nearest_name(
    source: str, nearest: str | None
) -> None:
    with pytest.raises(TemplateRefused) as refused:
        templates.parse(source)
    if source == "{{ visitor.attributes }}":
        assert refused.value.code == "unknown_variable"
        return
    assert refused.value.code == "unknown_variable"
    if nearest is not None:
        assert f"did you mean {nearest}?" in refused.value.reason


@pytest.mark.parametrize(
    "source",
    [
        "{{ zone.name",
        "{% if zone %}",
        "{% for x in (1..9) %}{{ x }}{% endfor %}",
        "{% tablerow x in (1..9) %}{% endtablerow %}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% capture x %}{% endcapture %}",
        "{% cycle 'a', 'b' %}",
        "{% increment x %}",
        "{% liquid assign x = 1 %}",
        "{{ zone.name | }}",
        "{% bogus %}",
        "{% if zone %}" * 20 + "{% endif %}" * 20,
    ],
)
def test_what_does_not_parse_or_could_run_away_is_refused(source: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        templates.parse(source)
    assert refused.value.code == "template_syntax"
    assert refused.value.reason


def test_a_long_template_is_refused() -> None:
    with pytest.raises(TemplateRefused) as refused:
        templates.parse("x" * (limits.TEMPLATE_CHARS_MAX + 1))
    assert refused.value.code == "too_long"


@pytest.mark.parametrize(
    "source",
    [
        "{{ place.name }}",
        "{{ sunset }}",
        "{{ zone }}",
        "{{ zone.name | date }}",
        "{{ zone.name | plural: other: 'x' }}",
        "{{ event.remaining | plural: one: 'x' }}",
        "{{ zone.name | truncate: 0 }}",
        "{{ zone.name | join: ',' }}",
        "{{ 1 | divided_by: 0 }}",
        "{% if zone.name < 3 %}{% endif %}",
        "{% assign a = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' %}"
        + "{% assign a = a | append: a | append: a | append: a %}" * 30,
        "{% assign a = 99 %}" + "{% assign a = a | times: a %}" * 40 + "{{ a }}",
    ],
)
def test_what_cannot_be_printed_fails_and_names_the_field(source: str) -> None:
    with pytest.raises(RenderFailed) as failed:
        fill(source)
    assert failed.value.field == "texts.fr.body"
    assert failed.value.reason


def test_a_value_of_the_wrong_type_fails() -> None:
    for values in (
        {"zone": "lake"},
        {"event": {"remaining": "many"}},
        {"event": {"start_ms": "noon"}},
        {"distance_m": None},
    ):
        with pytest.raises(RenderFailed):
            templates.render(
                "{{ zone.name }}{{ event.remaining }}{{ event.start }}{{ distance }}",
                field="x",
                values=values,
                reader=reader(),
                purpose="read",
            )


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=3), st.text(max_size=20))
def test_values_are_never_templates(name: dict[str, str], summary: str) -> None:
    printed = templates.render(
        "{{ zone.name }}|{{ zone.id }}",
        field="x",
        values={"zone": {"name": {**name, "fr": "{{ event.id }}"}, "id": summary}},
        reader=reader(),
        purpose="read",
    )
    assert printed.startswith("{{ event.id }}|")


@given(st.text(alphabet="{}%|. 'abcifzoneaml:", max_size=60))
def test_no_template_breaks_the_engine(source: str) -> None:
    with contextlib.suppress(TemplateRefused, RenderFailed):
        assert isinstance(fill(source), str)


def test_every_variable_has_a_sample_that_prints_in_every_purpose() -> None:
    for path, kind in variables.PATHS.items():
        source = "{{ " + path + " }}" if kind != "open" else "{{ " + path + ".x | default: '-' }}"
        for purpose in ("read", "link", "data"):
            assert templates.render(
                source, field=path, values=variables.sample(), reader=reader(), purpose=purpose
            )


def test_names_are_the_first_words() -> None:
    source = (
        "{{ zone.name }}{% if starts_in < 5 %}{{ event.name }}{% assign x = 1 %}{{ x }}{% endif %}"
    )
    assert templates.names(source) == {"zone", "starts_in", "event"}
