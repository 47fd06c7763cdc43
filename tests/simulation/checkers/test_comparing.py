"""States are compared field by field, and a digest that notices too little is found (I3)."""

import msgspec
import pytest

from mcs.events import subjects
from mcs.events.observations import ResyncStarted
from mcs.projections.backlog import Backlog
from mcs.projections.state import State
from mcs.services.snapshots import pack
from mcs.simulation.checkers.checkers import RARE
from mcs.simulation.checkers.comparing import copied, differences, digest_defects
from tests.building import delegate, node, pod, proxy
from tests.simulation.checkers.watched import Watched


def whole():
    """A log with something in every table."""
    world = Watched()
    world.join("c1", node(), pod("other", "n1", 100), proxies=(proxy(), proxy("u2", cpu=9000)))
    world.cycle()
    channel = subjects.delegate_channel("c1")
    world.observe("c1", channel, ResyncStarted(), delegate("u1.1", node="n1"))
    world.mark()
    assert world.found() == []
    return world


def test_a_copy_does_not_differ():
    state = whole().state

    assert differences(copied(state), state) == []
    assert copied(state).digest() == state.digest()
    assert digest_defects(state) == []


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda s: setattr(s.backlog.proxies["u1"], "attempts", 7), "proxies[u1].attempts is 1"),
        (lambda s: s.attention.update(x=None), "attention[x] is only in the other"),
        (lambda s: s.inventory.placed.pop("u1.1"), "charges[u1.1] is only in one"),
        (lambda s: s.inventory.loads["c1"].add(0, {"cpu": 1}), "used[('c1', 'n1')][cpu]"),
        (lambda s: setattr(s, "claim", "?"), "state.claim is 'claim', not '?'"),
    ],
)
def test_i3_a_live_state_that_was_changed_otherwise_than_by_folding(alter, words):
    world = whole()
    world.checkers.folded("scheduler-1", world.state)
    assert world.found() == []
    alter(world.state)
    world.checkers.folded("scheduler-1", world.state)

    found = world.found()
    assert found
    assert all(text.startswith("I3: scheduler-1 after decision") for text in found)
    assert any(words in text for text in found)


def test_a_live_state_that_has_folded_on_is_compared_there():
    world = whole()
    world.tick(times=2)
    world.checkers.folded("scheduler-1", world.state)
    assert world.found() == []
    world.state.elapsed_ms += 1
    world.checkers.folded("scheduler-1", world.state)

    assert any("elapsed_ms" in text for text in world.found())
    assert world.checkers.journal.replayed.observed.sequence < world.state.observed.sequence


def test_a_standby_that_lags_behind_is_passed_over():
    world = whole()
    world.checkers.folded("scheduler-2", State())

    assert world.found() == []


def test_i3_a_digest_without_a_field(monkeypatch):
    def forgetful(self):
        return self._digest.settle(
            lambda uid: (p := self.proxies.get(uid)) and msgspec.structs.replace(p, attempts=0)
        )

    monkeypatch.setattr(Backlog, "digest", forgetful)
    state = whole().state

    assert "attempts of proxies may change, and the digest does not" in digest_defects(state)


def test_i3_a_digest_without_a_number(monkeypatch):
    honest = State.digest

    def forgetful(self):
        elapsed_ms, self.elapsed_ms = self.elapsed_ms, 0
        try:
            return honest(self)
        finally:
            self.elapsed_ms = elapsed_ms

    monkeypatch.setattr(State, "digest", forgetful)

    assert digest_defects(whole().state) == ["state.elapsed_ms may change, and the digest does not"]


def test_i3_an_entry_that_changed_and_was_not_marked():
    state = whole().state
    state.digest()
    state.ledger.placements["u1.1"].evicted = True

    assert digest_defects(state) == ["the digest kept of placements is not that of its entries"]


def test_i3_such_an_entry_is_found_while_it_is_there():
    world = whole()
    world.checkers.journal.replayed.ledger.placements["u1.1"].evicted = True
    for _ in range(RARE - 2):
        assert world.found() == []

    assert any("I3: the digest kept of placements" in text for text in world.found())


def test_i3_a_snapshot_folded_on_is_the_whole_log():
    world = whole()
    good = pack(world.state, {}, 0.0)
    world.state.backlog.proxies["u2"].attempts = 4
    world.state.backlog.refresh("u2")
    bad = pack(world.state, {}, 0.0)
    world.checkers.saved("scheduler-1", good)
    world.checkers.journal.follow()
    world.tick(times=2)
    world.checkers.journal.observe_to(world.checkers.journal.replayed, len(world.observations))
    assert world.found(end=True) == []
    world.checkers.saved("scheduler-2", bad)
    world.checkers.saved("scheduler-3", bad[:-9])

    differs, damaged = world.found(end=True)
    assert differs.startswith("I3: ") and "snapshot 1 of scheduler-2" in differs
    assert "proxies[u2].attempts is 0, not 4" in differs
    assert damaged.startswith("I3: ") and "snapshot 2 of scheduler-3 cannot be folded on" in damaged


def test_i3_a_dump_that_lacks_something(monkeypatch):
    monkeypatch.setattr(Backlog, "restore", lambda *_: None)
    world = Watched()
    world.join("c1", node(), proxies=(proxy(),))
    world.cycle()
    for _ in range(8):
        world.mark()

    assert any("differs from a dump, folded on" in text for text in world.found(end=True))
