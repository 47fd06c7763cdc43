"""Pods in columns are the pods one by one."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mcs.events.frames import FRAME_BYTES
from mcs.events.observations import PodObserved
from mcs.services.pod_columns import PODS_MAX, PodColumns

WORDS = st.sampled_from(("a", "b", "c"))
PODS = st.builds(
    PodObserved,
    uid=st.uuids().map(str),
    namespace=WORDS,
    name=WORDS,
    node=WORDS,
    requests=st.dictionaries(WORDS, st.integers(0, 2**63 - 1), max_size=2),
)


@given(st.lists(PODS, max_size=20))
def test_what_is_taken_is_what_was_added_in_order(pods):
    columns = PodColumns()
    for pod in pods:
        columns.add(pod)
    event = columns.take()

    assert event.fits
    assert list(event.each()) == pods
    assert len(columns) == 0


def test_words_that_pods_share_are_written_once():
    columns = PodColumns()
    for uid in "xyz":
        columns.add(PodObserved(uid=uid, namespace="n", name=uid, node="m", requests={"cpu": 1}))
    event = columns.take()

    assert (event.namespaces, event.nodes, event.asks) == (("n",), ("m",), ({"cpu": 1},))


def test_columns_are_full_before_a_frame_is():
    columns = PodColumns()
    while not columns.full:
        uid = f"{len(columns):036d}"
        requests = {f"example.com/{each}-{uid}": 2**63 - 1 for each in range(9)}
        columns.add(
            PodObserved(
                uid=uid, namespace=f"n-{uid}", name="p" * 253, node=f"m-{uid}", requests=requests
            )
        )
    assert FRAME_BYTES / 3 < len(msgspec.json.encode(columns.take())) < FRAME_BYTES * 0.6


def test_columns_of_usual_pods_are_full_at_a_thousand():
    columns = PodColumns()
    while not columns.full:
        uid = f"{len(columns):036d}"
        columns.add(PodObserved(uid=uid, namespace="n", name="service-7c9d8b6f5-abcde", node="m"))
    assert len(columns) == PODS_MAX
