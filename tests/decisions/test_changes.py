"""Changes of nodes are kept with what was free before and after."""

import pytest

from mcs.decisions import changes as module
from mcs.decisions.changes import Changes
from mcs.decisions.fitting import REPLICAS_MOST
from mcs.quantities import LARGEST, PODS

BEFORE, AFTER = 0, 1


def views(**amounts):
    return {name: memoryview(bytearray(8)).cast("q") for name in amounts} | {
        name: memoryview(bytearray(amount.to_bytes(8, "little", signed=True))).cast("q")
        for name, amount in amounts.items()
    }


def note(changes, before, after, cluster=0, kinds=(1, 1)):
    changes.begin(cluster, kinds[0], views(**before), 0)
    changes.finish(kinds[1], views(**after), 0)


def test_room_is_what_fitted_before_and_after():
    changes = Changes(1)
    note(changes, {PODS: 3, "cpu": 1000}, {PODS: 3, "cpu": 100})

    assert [changes.room(side, 0, [("cpu", 100)]) for side in (BEFORE, AFTER)] == [3, 1]
    assert changes.room(AFTER, 0, []) == 3
    assert changes.room(AFTER, 0, [("unheard-of", 1)]) == 0


@pytest.mark.parametrize(("free", "room"), [(-5, 0), (LARGEST, REPLICAS_MOST)])
def test_room_is_neither_negative_nor_endless(free, room):
    changes = Changes(1)
    note(changes, {PODS: free}, {PODS: free})

    assert [changes.room(side, 0, []) for side in (BEFORE, AFTER)] == [room, room]


def test_a_resource_that_a_change_brings_was_not_there_before():
    changes = Changes(1)
    note(changes, {PODS: 9}, {PODS: 9, "gpu": 4})

    assert [changes.room(side, 0, [("gpu", 1)]) for side in (BEFORE, AFTER)] == [0, 4]


def test_when_as_many_are_kept_as_there_may_be_the_older_half_is_dropped(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    changes = Changes(2)
    for number in range(4):
        note(
            changes,
            {PODS: 1, "gpu": 7},
            {PODS: 2, "gpu": 0},
            cluster=number % 2,
            kinds=(number, number),
        )
        assert changes.end == number + 1

    assert changes.first == 2
    assert changes.clusters[:2].tolist() == [0, 1]
    assert changes.kinds[:, :2].tolist() == [[2, 3], [2, 3]]
    assert changes.free["gpu"][:, :2].tolist() == [[7, 7], [0, 0]]


def test_what_was_kept_before_is_not_taken_for_new(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 1)
    changes = Changes(1)
    note(changes, {PODS: 9, "gpu": 7}, {PODS: 9, "gpu": 7})
    note(changes, {PODS: 9}, {PODS: 9})

    assert [changes.room(side, 0, [("gpu", 1)]) for side in (BEFORE, AFTER)] == [0, 0]


def test_restarts_are_counted_for_each_cluster():
    changes = Changes(2)
    for cluster in (1, 0, 1):
        changes.restart(cluster)

    assert (changes.restarts.tolist(), changes.restarted) == ([1, 2], 3)
