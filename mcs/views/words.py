"""Words with a meaning: a sentence is spans of text, each of which may say what it is.

Colour is decided where a sentence is painted; a plain terminal, a file and a test read the same
text.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Sense(Enum):
    """What a span of text is."""

    PLAIN = "plain"
    CLUSTER = "cluster"
    POD = "pod"
    NODE = "node"
    AMOUNT = "amount"
    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"
    VERB = "verb"
    QUIET = "quiet"
    COMMAND = "command"


class Span(NamedTuple):
    """A piece of a sentence."""

    text: str
    sense: Sense = Sense.PLAIN


Words = tuple[Span, ...]
Piece = Span | str | Words


def say(*pieces: Piece) -> Words:
    """A sentence of spans, sentences and plain text; empty pieces vanish."""
    spans: list[Span] = []
    for piece in pieces:
        if isinstance(piece, Span):
            spans.append(piece)
        elif isinstance(piece, str):
            spans.append(Span(piece))
        else:
            spans.extend(piece)
    return tuple(span for span in spans if span.text)


def plain(words: Words) -> str:
    """The text alone."""
    return "".join(span.text for span in words)


def listed(items: list[Words], separator: str = ", ") -> Words:
    """Several sentences, separated."""
    pieces: list[Piece] = []
    for number, item in enumerate(items):
        pieces += [separator, item] if number else [item]
    return say(*pieces)


def cluster(name: str) -> Span:
    """A cluster's name."""
    return Span(name, Sense.CLUSTER)


def pod(namespace: str, name: str) -> Span:
    """A pod's name."""
    return Span(f"{namespace}/{name}", Sense.POD)


def node(name: str) -> Span:
    """A node's name."""
    return Span(name, Sense.NODE)


def verb(text: str) -> Span:
    """What happened."""
    return Span(text, Sense.VERB)


def good(text: str) -> Span:
    """Something that went well."""
    return Span(text, Sense.GOOD)


def bad(text: str) -> Span:
    """Something that went wrong."""
    return Span(text, Sense.BAD)


def wait(text: str) -> Span:
    """Something that waits."""
    return Span(text, Sense.WAIT)


def quiet(text: str) -> Span:
    """Something by the way."""
    return Span(text, Sense.QUIET)


def command(text: str) -> Span:
    """What to type."""
    return Span(text, Sense.COMMAND)
