"""Lines tell each of their pods once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.events.constraints import Constraints
from mcs.events.decisions import BeyondBudget, Lacks, Never
from mcs.projections.lines import Kind, Line, Told

FIRST = Told({"c1": Lacks(resource="cpu"), "c2": Never(constraint="cluster lost")})
OTHER = Told({"c1": Lacks(resource="memory")})
GROUP = Told({}, BeyondBudget())
TOLD = st.sampled_from([None, FIRST, OTHER, GROUP])


def line():
    kind = Kind("c1", "default", "", b"shape")
    return Line(kind, {"cpu": 1}, Constraints())


def order(uid, priority=0, created="2026"):
    return -priority, created, uid


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), TOLD), max_size=20), TOLD.filter(bool))
def test_those_that_were_told_nothing_or_something_else_are_to_be_told(words, told):
    subject, heard = line(), {}
    for uid, word in words:
        if uid in heard:
            subject.remove(order(uid), heard[uid])
        heard[uid] = word
        subject.add(order(uid), word)

    assert subject.to_tell(told) == sorted(uid for uid, word in heard.items() if word != told)
    assert list(subject.orders) == sorted(order(uid) for uid in heard)


def test_whoever_was_told_is_not_told_again():
    subject = line()
    subject.add(order("a"), None)
    assert subject.to_tell(FIRST) == ["a"]
    subject.remove(order("a"), None)
    subject.add(order("a"), FIRST)

    assert subject.to_tell(FIRST) == []
    assert subject.to_tell(OTHER) == ["a"]


def test_the_order_of_clusters_in_a_reason_is_no_news():
    subject = line()
    subject.add(order("a"), Told(dict(reversed(FIRST.reasons.items()))))

    assert subject.to_tell(FIRST) == []


def test_equal_reasons_are_kept_once():
    subject = line()
    first = subject.add(order("a"), Told(dict(FIRST.reasons)))
    second = subject.add(order("b"), Told(dict(FIRST.reasons)))

    assert first is second
    assert subject.add(order("c"), None) is None


def test_the_first_is_of_the_highest_priority_then_the_oldest():
    subject = line()
    each = [order("a"), order("b", created="2025"), order("c", priority=5), order("0", priority=5)]
    for one in each:
        subject.add(one, None)

    assert [uid for *_, uid in subject.orders] == ["0", "c", "b", "a"]


def test_a_kinds_place_is_what_clusters_look_at():
    kind = Kind("c1", "default", "c2", b"shape", blocked=(("c3", "why"),), group="train")

    assert kind.place == Kind("c1", "", "c2", b"shape", blocked=(("c3", "why"),))
