"""What is said to schedulers that know an older schema."""

import msgspec

from mcs.events import SCHEMA
from mcs.events.constraints import Group
from mcs.events.dialects import as_of
from mcs.events.observations import NodeGone
from tests.building import pod, pods, proxy

GROUPED = proxy(group=Group(name="g", size=2))


def test_todays_schema_says_all():
    assert as_of(SCHEMA, GROUPED) == (GROUPED,)


def test_schema_1_tells_pods_one_by_one():
    assert as_of(1, pods(("a", "n1", 1), ("b", "n2", 1))) == (
        pod("a", "n1", 1),
        pod("b", "n2", 1),
    )


def test_schema_1_has_no_word_for_groups():
    (said,) = as_of(1, GROUPED)

    assert said == msgspec.structs.replace(GROUPED, group=None)
    assert b"group" not in msgspec.json.encode(said)
    assert as_of(1, proxy()) == (proxy(),)
    assert as_of(1, NodeGone(name="n")) == (NodeGone(name="n"),)
