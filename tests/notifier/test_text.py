from __future__ import annotations

import json
import re
import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifier import text

FAMILY = "👨‍👩‍👧‍👦"
SCOTLAND = "🏴󠁧󠁢󠁳󠁣󠁴󠁿"
MIXED = [
    "a", "é", "e\u0301", "\u0301", " ", "\n", "\r\n", "🌅", "👍🏽", FAMILY, SCOTLAND, "🇫🇷", "🇫",
    "❤️", "1️⃣",
    "각", "각", "ᄀ", "ᅡ", "ᆨ", "नि", "ก็", "\u200d", "\u200c", "ؤ", "שָׁ", "<b>", "&amp;", "<", ">",
    "\x00",
    "\u202e", "\ufeff", "x" * 9,
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(MIXED), st.characters()), max_size=30).map("".join)


def perl(samples: list[str]) -> list[list[str]]:
    """Grapheme clusters by Perl's regular expressions, which follow UAX #29 in full."""
    program = (
        "use utf8; use JSON::PP; binmode STDIN; binmode STDOUT; local $/;"
        "my $in = decode_json(<STDIN>);"
        "print encode_json([map { [ $_ =~ /\\X/g ] } @$in]);"
    )
    done = subprocess.run(
        ["perl", "-e", program], input=json.dumps(samples).encode(), capture_output=True, check=True
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="Perl is the oracle")


@needs_perl
def test_graphemes_of_real_text_are_those_of_the_annex() -> None:
    samples = [
        "Départ à 18 h 30 🌅 avec 👍🏽👍🏽",
        f"{FAMILY}{FAMILY}a{SCOTLAND}b",
        "🇫🇷🇩🇪🇮🇹 🇫",
        "e\u0301te\u0301 c\u0327a\u0301",
        "각각 한국어 ᄒᆞᆫ글",
        "हिन्दी में नमस्ते",
        "ภาษาไทย ก็ดี ำ",
        "عَرَبِيّ ؤ",
        "שָׁלוֹם",
        "❤️‍🔥 1️⃣ ✌🏿 🏳️‍🌈 👩🏽‍🚀",
        "a\r\nb\nc",
    ]
    assert [text.graphemes(each) for each in samples] == perl(samples)


@needs_perl
def test_no_cluster_is_ever_split() -> None:
    # One process for many samples: hypothesis draws them, the oracle sees them together.
    drawn: list[str] = []

    @given(texts)
    def draw(sample: str) -> None:
        drawn.append(sample)

    draw()
    drawn = [each for each in drawn if not any(unicodedata.category(c) == "Cs" for c in each)]
    # A character without a category yet to this Python may have one to Perl, or the other way.
    drawn = [each for each in drawn if all(unicodedata.category(c) != "Cn" for c in each)]
    assert len(drawn) > 20
    for sample, clusters in zip(drawn, perl(drawn), strict=True):
        ours, at = set(), 0
        for part in text.graphemes(sample):
            at += len(part)
            ours.add(at)
        theirs, at = set(), 0
        for part in clusters:
            at += len(part)
            theirs.add(at)
        assert ours <= theirs, (sample, text.graphemes(sample), clusters)


@given(texts)
def test_graphemes_joined_are_the_text(sample: str) -> None:
    assert "".join(text.graphemes(sample)) == sample


@given(texts, st.integers(1, 20))
def test_truncation_keeps_whole_graphemes_and_the_length(sample: str, most: int) -> None:
    cut = text.truncate(sample, most)
    if cut == sample:
        assert len(text.graphemes(sample)) <= most or sample.endswith(text.ELLIPSIS)
        return
    assert cut.endswith(text.ELLIPSIS)
    kept = cut.removesuffix(text.ELLIPSIS)
    assert len(text.graphemes(kept)) <= most - 1
    whole = text.graphemes(sample)
    assert any("".join(whole[:count]).rstrip() == kept for count in range(most))


def test_truncation_prefers_the_end_of_a_word() -> None:
    assert (
        text.truncate("Une balade en paddle au coucher du soleil", 24) == "Une balade en paddle au…"
    )
    assert text.truncate("Une balade en paddle au coucher du soleil", 22) == "Une balade en paddle…"
    assert text.truncate("Donaudampfschifffahrtsgesellschaft", 10) == "Donaudamp…"
    assert text.truncate(FAMILY * 5, 3) == FAMILY * 2 + "…"
    assert text.truncate("exact", 5) == "exact"


@given(texts, st.booleans())
@example("<<a", False)
@example("<\U000e0041a", True)
@example("<\x00<b", True)
def test_no_control_character_and_no_tag_survives(sample: str, multiline: bool) -> None:
    cleaned = text.clean(sample, multiline=multiline)
    assert re.search(r"<[A-Za-z/!?]", cleaned) is None
    assert not text.has_controls(cleaned)
    assert multiline or "\n" not in cleaned
    assert "\n\n\n" not in cleaned
    cleaned.encode("utf-8")


@given(texts, st.booleans())
def test_cleaning_what_is_clean_changes_nothing(sample: str, multiline: bool) -> None:
    cleaned = text.clean(sample, multiline=multiline)
    again = text.clean(cleaned, multiline=multiline)
    # An entity may have spelled another one: "&amp;amp;" is read once.
    assert again == cleaned or "&" in cleaned


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("<p>Le <b>lac</b></p><p>À deux pas</p>", "Le lac\nÀ deux pas"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("5 < 6 et 7 > 2", "5 < 6 et 7 > 2"),
        ("a<script>alert(1)</script>b", "a b"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", ""),
        ("&amp;lt;img src=x onerror=alert(1)&amp;gt;", ""),
        ("<img src=x onerror=alert(1)", "img src=x onerror=alert(1)"),
        ("<<b>b>x", "x"),
        ("<\x00b>x", "b>x"),
        ("ligne\r\nligne\u2028ligne\tfin", "ligne\nligne\nligne fin"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("AT&T", "AT&T"),
        (f"{SCOTLAND} oui", f"{SCOTLAND} oui"),
        ("caché\U000e0041\U000e0042", "caché"),
        ("لاعبو كرة\u200cقدم", "لاعبو كرة\u200cقدم"),
    ],
)
def test_clean_text_reads_as_it_was_meant(dirty: str, expected: str) -> None:
    assert text.clean(dirty, multiline=True) == expected


def test_a_title_has_one_line() -> None:
    assert text.clean("un<br>deux\ntrois", multiline=False) == "un deux trois"
