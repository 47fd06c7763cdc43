"""Colour adds nothing to the text and takes nothing away."""

from mcs.views.painting import STYLES, paint
from mcs.views.words import Sense, bad, say


def test_every_sense_has_a_style():
    assert set(STYLES) == set(Sense)


def test_a_painted_sentence_has_its_text_and_colour():
    text = paint(say("all is ", bad("lost")))

    assert text.plain == "all is lost"
    assert [str(span.style) for span in text.spans] == ["bold red"]


def test_a_cut_sentence_stays_on_its_line():
    assert paint(say("x"), cut=True).no_wrap
    assert not paint(say("x")).no_wrap
