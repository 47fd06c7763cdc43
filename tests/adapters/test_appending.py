"""What is refused before it is sent; the contract tests show that both logs ask here."""

import pytest

from mcs.adapters.appending import HEADER_ROOM, MOST_BYTES, check_append, stream_of
from mcs.errors import BadSubject, TooLarge
from mcs.ports import Stream


@pytest.mark.parametrize(
    ("subject", "stream"),
    [
        ("mcs.obs._clock", Stream.OBSERVATIONS),
        ("mcs.obs.c1.delegate.c2", Stream.OBSERVATIONS),
        ("mcs.dec._._", Stream.DECISIONS),
    ],
)
def test_the_subject_decides_the_stream(subject, stream):
    assert stream_of(subject) is stream
    assert check_append([(subject, b"")]) is stream


@pytest.mark.parametrize("subject", ["", "mcs.obs", "mcs.obs.", "mcs.observe.c1", "mcs.dec.a.>"])
def test_other_subjects_are_refused(subject):
    with pytest.raises(BadSubject):
        stream_of(subject)


def test_the_headers_have_room():
    frame = b"x" * (MOST_BYTES - HEADER_ROOM)
    check_append([("mcs.dec.a.b", frame)])
    with pytest.raises(TooLarge):
        check_append([("mcs.dec.a.b", frame + b"x")])
    with pytest.raises(TooLarge):
        check_append([("mcs.dec.a.b", frame)], most_bytes=MOST_BYTES - 1)


def test_an_empty_append_is_a_mistake():
    with pytest.raises(ValueError, match="needs a message"):
        check_append([])
