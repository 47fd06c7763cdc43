"""Subjects and patterns, and the edges of a stream in memory."""

import pytest

from mcs.adapters.memory_stream import MemoryStream, matches
from mcs.ports import Stream


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("", "a.b", True),
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b.c", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("*.b", "a.b", True),
        ("*.b", "a.c", False),
    ],
)
def test_patterns_match_as_in_nats(pattern, subject, expected):
    assert matches(pattern, subject) is expected


def stream_of(count):
    stream = MemoryStream(Stream.DECISIONS, "x")
    for number in range(count):
        stream.add("mcs.dec.a.b", b"%d" % number, number)
    return stream


@pytest.mark.parametrize(("first", "left"), [(0, [1, 2, 3]), (2, [2, 3]), (4, []), (9, [])])
def test_a_trim_keeps_the_sequences(first, left):
    stream = stream_of(3)
    stream.trim(first)
    assert [message.sequence for message in stream.messages] == left
    assert stream.last == 3
    assert stream.add("mcs.dec.a.b", b"", 0) == 4


@pytest.mark.parametrize(("last", "left"), [(0, []), (2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 3])])
def test_a_lost_end_is_appended_anew(last, left):
    stream = stream_of(3)
    stream.lose_tail(last)
    assert [message.sequence for message in stream.messages] == left
    assert stream.add("mcs.dec.a.b", b"", 0) == len(left) + 1
