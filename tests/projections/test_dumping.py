"""A restored state cannot be told from the one that was folded (I3)."""

import msgspec
import pytest

from mcs.decisions.scheduling import schedule
from mcs.errors import BadSnapshot
from mcs.events.decisions import PlacementWithdrawn, ProxyReleased
from mcs.events.observations import Verb
from mcs.names import Keys
from mcs.projections import dumping
from mcs.projections.backlog import Backlog
from mcs.projections.dumping import dump, restore
from mcs.projections.inventory import Inventory
from mcs.projections.ledger import Ledger, Stage
from mcs.projections.state import State
from mcs.simulation.checkers.comparing import account
from tests.building import World, node, pod, proxy
from tests.histories_at_random import RandomWorld, fold_tail

SEEDS = range(25)


def picture(value):
    """Everything about a value, with the order of dicts, that may be compared."""
    if isinstance(value, dict):
        return [(picture(key), picture(entry)) for key, entry in value.items()]
    if isinstance(value, list | tuple | set):
        return [type(value).__name__, *map(picture, value)]
    if isinstance(value, msgspec.Struct):
        fields = value.__struct_fields__
        return [type(value).__name__, *((name, picture(getattr(value, name))) for name in fields)]
    if isinstance(value, Inventory | Backlog | Ledger):
        return picture(account(value))
    if type(value).__module__.startswith("mcs.projections") and hasattr(value, "__dict__"):
        return [type(value).__name__, *((n, picture(v)) for n, v in vars(value).items())]
    return (type(value).__name__, value)


def settled(state):
    """A state whose digests are up to date; the order of their tables is nobody's business."""
    state.digest()
    inventory = state.inventory
    for part in (
        *(state.membership._digest, inventory._nodes_digest, inventory._placed_digest),
        *(state.backlog._digest, state.ledger._digest),
    ):
        part._hashes = dict(sorted(part._hashes.items()))
    return state


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restored_state_cannot_be_told_from_the_folded_one_at_any_cycle(seed):
    looked_at = []

    def before_cycle(state, _):
        again = restore(dump(state))
        assert picture(settled(again)) == picture(settled(state))
        looked_at.append(again)

    RandomWorld(seed, before_cycle).run(60)

    assert len(looked_at) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_snapshot_and_tail_give_what_the_whole_log_gives(seed):
    dumps = []
    world = RandomWorld(seed, lambda state, events: dumps.append((dump(state), events)))
    world.run(60)
    whole = picture(settled(fold_tail(State(), world)))

    for data, events in dumps[1:]:
        state = restore(data)
        if schedule(state, Keys()):  # else a mark, or a claim
            assert schedule(state, Keys()) == events, "I4"
        assert picture(settled(fold_tail(state, world))) == whole, "I3"


def test_the_histories_at_random_hold_what_they_should():
    """A property proved on dull logs proves little."""
    kinds, stages, parked, unbound_only, owed = set(), set(), set(), set(), set()
    for seed in SEEDS:
        world = RandomWorld(seed).run(60)
        events = [event for *_, frame in world.decisions for event in frame.events]
        kinds |= {type(event).__name__ for event in events}
        unbound_only |= {e.unbound_only for e in events if isinstance(e, PlacementWithdrawn)}
        stages |= {p.stage for p in world.state.ledger.placements.values()}
        parked |= set(world.state.parked)
        owed |= {bool(world.state.inventory.owed(cluster)) for cluster in world.joined}

    assert kinds >= {
        *("PodPlaced", "PodDeferred", "PlacementWithdrawn", "ProxyEvicted", "ProxyReleased"),
        *("ClusterLost", "ClusterRecovered", "ClusterRemoved", "CycleMarked"),
    }
    assert stages == set(Stage)
    assert unbound_only == owed == {True, False}
    assert len(parked) > 1


def test_no_field_of_a_state_is_left_out():
    apart = {"membership", "inventory", "backlog", "ledger", "attention", "commands"}

    assert set(vars(State())) == apart | set(dumping._SAME)


def test_what_a_removed_cluster_held_is_let_go_of_also_where_rules_2_made_the_dump():
    world = World()
    world.join("c1", node(), proxies=[proxy("u1", cluster="c2")])
    world.join("c2", node())
    world.cycle()
    world.command(id="1", verb=Verb.REMOVE, cluster="c2")
    world.cycle()
    due = schedule(world.state, world.keys)
    old = msgspec.json.decode(dump(world.state))
    assert old["ledger"]["placements"][0].pop("stranded") is True
    old["attention"] = []

    again = restore(msgspec.json.encode(old))

    assert [type(event) for event in due] == [ProxyReleased]
    assert schedule(again, world.keys) == due


def test_sums_of_any_size_are_as_they_were():
    world = World()
    most = (1 << 63) - 1
    world.join("c1", node(), *[pod(f"p{i}", "n1", most) for i in range(3)])

    again = restore(dump(world.state))

    assert again.inventory.used("c1", "n1") == world.state.inventory.used("c1", "n1")
    assert again.digest() == world.state.digest()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"membership":[{"name":1}]}', b"\xff"])
def test_what_is_no_state_is_said_to_be_none(data):
    with pytest.raises(BadSnapshot, match="holds no state"):
        restore(data)
