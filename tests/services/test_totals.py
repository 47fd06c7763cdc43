"""Sums kept as things change are those of the things added up."""

from hypothesis import given
from hypothesis import strategies as st

from mcs.events.observations import NodeObserved
from mcs.services.totals import Totals
from mcs.services.usage import Usage
from tests.summarising import summarised

AMOUNTS = st.dictionaries(st.sampled_from(("cpu", "memory", "pods", "gpu")), st.integers(0, 9))
LABELS = st.dictionaries(st.sampled_from(("zone", "kubernetes.io/hostname")), st.sampled_from("xy"))
NAMES = st.sampled_from(("n1", "n2", "n3"))


@st.composite
def nodes(draw):
    """A node in some state."""
    return NodeObserved(
        name=draw(NAMES),
        allocatable=draw(AMOUNTS),
        labels=draw(LABELS),
        ready=draw(st.booleans()),
        cordoned=draw(st.booleans()),
    )


STEPS = st.one_of(
    st.tuples(st.just("node"), nodes()),
    st.tuples(st.just("gone"), NAMES),
    st.tuples(st.just("pod"), st.sampled_from("abcde"), NAMES, AMOUNTS),
    st.tuples(st.just("ended"), st.sampled_from("abcde")),
    st.tuples(st.just("beat")),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_the_summary_is_that_of_all_nodes_and_pods(steps):
    usage = Usage()
    totals = Totals(usage)
    for what, *rest in steps:
        match what:
            case "node":
                totals.node(rest[0].name, rest[0])
            case "gone":
                totals.node(rest[0], None)
            case "pod":
                usage.charge(*rest)
            case "ended":
                usage.discharge(*rest)
            case "beat":
                totals.summary()

    wanted = summarised(totals.nodes.values(), usage.used, pods=usage.pods)
    assert totals.summary() == wanted


def test_a_beat_looks_only_at_what_was_touched():
    usage = Usage()
    totals = Totals(usage)
    for name in ("n1", "n2"):
        totals.node(name, NodeObserved(name=name, allocatable={"cpu": 9}))
    totals.summary()
    usage.charge("a", "n1", {"cpu": 4})

    assert usage.touched == {"n1"}
    assert totals.summary().free == {"cpu": 14}
    assert not usage.touched
