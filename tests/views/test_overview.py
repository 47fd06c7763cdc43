"""The overview says what is: free capacity, states, who waits, what runs, who decides."""

import msgspec
import pytest

from mcs.events.observations import Phase, Verb
from mcs.events.seals import Seal
from mcs.projections.state import Parked
from mcs.views.overview import overview
from tests.building import GIB, World, delegate, node, pod, proxy


def seen(world, **fields):
    fields.setdefault("now_s", world.now_ns / 1e9)
    return overview(world.state, **fields)


def test_free_capacity_counts_ready_nodes_that_take_pods():
    world = World()
    world.join(
        "c1",
        node("n1", cpu=940, memory=2 * GIB),
        node("n2", cpu=940, memory=2 * GIB, ready=False),
        node("n3", cpu=940, memory=2 * GIB, cordoned=True),
        pod("p", "n1", 600),
    )

    (row,) = seen(world).clusters

    assert (row.nodes, row.ready) == (3, 2)
    assert row.free == {"cpu": 340, "memory": 2 * GIB}
    assert row.total == {"cpu": 2820, "memory": 6 * GIB}


def test_a_cluster_is_ok_or_says_what_is_wrong():
    world = World()
    world.join("c1", node("n1"))
    world.join("c2", node("n1"))
    world.command(id="1", verb=Verb.CORDON, cluster="c1")
    world.observe("c2", "capacity", number=99)

    states = {row.name: row.states for row in seen(world).clusters}

    assert states == {"c1": ("cordoned",), "c2": ("resync asked (capacity)",)}


@pytest.mark.parametrize(
    ("verb", "state"), [(Verb.REMOVE, "being removed"), (Verb.CORDON, "cordoned")]
)
def test_a_command_shows_at_once(verb, state):
    world = World()
    world.join("c1", node("n1"))
    world.command(id="1", verb=verb, cluster="c1")

    assert seen(world).clusters[0].states == (state,)


def test_silence_counts_from_the_last_word_to_now():
    world = World()
    world.join("c1", node("n1"))
    world.tick(1, 3)

    (row,) = seen(world, now_s=world.now_ns / 1e9 + 2).clusters

    assert row.heard_s == pytest.approx(5, abs=0.1)


def test_those_who_wait_say_why_in_words_and_as_data():
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"), proxy("u2", gates=("g",)))
    world.cycle()

    waiting, gated = seen(world).waiting

    assert waiting.reasons == {
        "c1": "not enough cpu: asks 200m cpu, the only eligible node (n1) has 100m"
    }
    assert msgspec.to_builtins(waiting.verdicts) == {"c1": {"verdict": "lacks", "resource": "cpu"}}
    assert (gated.gates, gated.reasons) == (("g",), {})


def test_what_runs_is_counted_by_source_and_target():
    world = World()
    world.join("c1", node("n1", cpu=500))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.delegates(
        "c1",
        "c1",
        delegate("u1.1", node="n1", phase=Phase.RUNNING),
        delegate("u2.1", node="n1", phase=Phase.SUCCEEDED),
    )

    (row,) = seen(world).running

    assert (row.source, row.target, row.count, row.phases) == ("c1", "c1", 1, {"Running": 1})


def test_a_scheduler_is_active_as_long_as_it_speaks():
    world = World()
    now_s = world.now_ns / 1e9

    assert not seen(world).scheduler.active
    assert seen(world, now_s=now_s, decided_ns=world.now_ns).scheduler.active
    assert not seen(world, now_s=now_s + 6, decided_ns=world.now_ns).scheduler.active


def test_what_was_parked_is_counted_and_where_it_was_last_is_named():
    world = World()
    world.store("mcs.obs.c1.proxy", b"garbage")
    world.store("mcs.obs.c2.proxy", b"garbage")

    assert seen(world).parked == {"unreadable frame": Parked(2, 2, "mcs.obs.c2.proxy")}


def test_the_overview_is_data():
    world = World()
    world.join("c1", node("n1"))

    found = msgspec.json.decode(msgspec.json.encode(seen(world)))

    assert found["digest"] == world.state.digest()
    assert found["observation"] == world.state.observed.sequence


def test_its_token_pins_both_logs():
    world = World()
    world.join("c1", node("n1"))

    seal = Seal.parse(seen(world).token)

    assert (seal.decided, seal.observed) == (world.state.decided, world.state.observed)
