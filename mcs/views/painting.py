"""Words as rich text. The only place that knows colours; terminals without any get plain text."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from mcs.views.words import Sense, Words

STYLES: Final = {
    Sense.PLAIN: "",
    Sense.CLUSTER: "bold cyan",
    Sense.POD: "bold",
    Sense.NODE: "blue",
    Sense.AMOUNT: "magenta",
    Sense.GOOD: "green",
    Sense.BAD: "bold red",
    Sense.WAIT: "yellow",
    Sense.VERB: "bold",
    Sense.QUIET: "bright_black",
    Sense.COMMAND: "bold green",
}


def paint(words: Words, *, cut: bool = False) -> Text:
    """A sentence in colour; with ``cut``, what does not fit on the line is left out."""
    text = Text(no_wrap=cut, overflow="ellipsis" if cut else "fold")
    for span in words:
        text.append(span.text, STYLES[span.sense])
    return text
