"""The auditor takes one message at a time, and says how far it came."""

import pytest

from mcs.events.seals import Seal
from mcs.names import Keys
from mcs.ports import Stored
from mcs.services.auditing import Auditor, Differs
from mcs.services.findings import Flaw
from tests.building import World, node


def world():
    made = World()
    made.join("c1", node("n1"))
    made.mark()
    return made


def audited(made):
    """An auditor after all but the last decision."""
    auditor = Auditor(Keys(), end=len(made.observations))
    *before, last = [
        Stored(sequence, subject, 0, data) for sequence, subject, data, _ in made.decisions
    ]
    for stored in before:
        auditor.decide(stored, auditor.open(stored))
    for message in made.observations:
        auditor.observe(Stored(*message))
    return auditor, last


def test_its_seal_is_that_of_the_log_so_far():
    made = world()
    auditor, stored = audited(made)
    auditor.decide(stored, auditor.open(stored))

    assert auditor.seal == Seal(made.state.decided, made.state.observed)
    assert auditor.settle().seal == auditor.seal


def test_a_cycle_counts_once_it_was_found_right():
    auditor, stored = audited(world())
    assert (auditor.findings.counts.claims, auditor.findings.counts.derived) == (1, 0)

    auditor.decide(stored, auditor.open(stored))

    assert (auditor.findings.counts.claims, auditor.findings.counts.derived) == (1, 1)


def test_a_cycle_before_its_observations_is_another_one():
    made = world()
    auditor, stored = audited(made)
    message = (len(made.observations) + 1, "mcs.obs._clock", made.now_ns, b"{}")
    auditor.observe(Stored(*message))

    with pytest.raises(Differs) as caught:
        auditor.decide(stored, auditor.open(stored))

    assert caught.value.difference.flaw is Flaw.DECISION


def test_many_differences_are_counted_not_listed():
    made = world()
    _, subject, _, data = made.observations[-1]
    for number in range(30):
        made.store(subject, data.replace(b'"events"', b'"at":"%d","events"' % number))
    auditor = Auditor(Keys(), end=len(made.observations))
    for message in made.observations:
        auditor.observe(Stored(*message))

    found = auditor.settle()

    assert len(found.differences) == 20
    assert found.more == 10
