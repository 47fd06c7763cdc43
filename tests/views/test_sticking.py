"""What waits for a cluster out of reach is named, with the command that ends it."""

from mcs.events.observations import ClusterLeft, Phase, Verb
from mcs.views.sticking import stuck_things
from tests.building import World, delegate, deleted, node, proxy


def placed_on_c2(*, phase=Phase.RUNNING):
    world = World()
    world.join("c1", node("n1", cpu=100))
    world.join("c2", node("n1"))
    world.proxies("c1", proxy("u1"))
    world.cycle()
    world.delegates("c2", "c1", delegate("u1.1", node="n1", phase=phase))
    return world


def silence(world, talking):
    for _ in range(60):
        world.tick(1)
        world.heartbeat(talking)
    world.cycle()


def test_nothing_is_stuck_while_all_answer():
    assert stuck_things(placed_on_c2().state) == ()


def test_a_pod_on_a_lost_cluster_waits_for_its_return():
    world = placed_on_c2()
    silence(world, "c1")

    (stuck,) = stuck_things(world.state)

    assert stuck.what == "c1/default/pod-u1"
    assert stuck.waits_for == "c2 (lost), where it may be running unseen, to return"
    assert stuck.commands == ("mcs cluster remove c2 --confirm-dead",)


def test_a_deletion_may_be_released():
    world = placed_on_c2()
    silence(world, "c1")
    world.proxies("c1", deleted("u1"))
    world.cycle()

    (stuck,) = stuck_things(world.state)

    assert stuck.what == "deletion of c1/default/pod-u1"
    assert stuck.commands == (
        "mcs release c1/default/pod-u1",
        "mcs cluster remove c2 --confirm-dead",
    )


def test_the_commands_named_end_it():
    for verb, command in (
        (Verb.RELEASE, {"cluster": "c1", "namespace": "default", "name": "pod-u1"}),
        (Verb.REMOVE, {"cluster": "c2"}),
    ):
        world = placed_on_c2()
        silence(world, "c1")
        world.proxies("c1", deleted("u1"))
        world.cycle()
        world.command(id="1", verb=verb, **command)
        while world.cycle():
            pass

        assert stuck_things(world.state) == (), verb


def test_what_has_ended_is_not_stuck():
    world = placed_on_c2(phase=Phase.SUCCEEDED)
    silence(world, "c1")

    assert stuck_things(world.state) == ()


def test_a_deletion_of_what_has_ended_waits_too():
    world = placed_on_c2(phase=Phase.SUCCEEDED)
    silence(world, "c1")
    world.proxies("c1", deleted("u1"))
    world.cycle()

    (stuck,) = stuck_things(world.state)

    assert stuck.what == "deletion of c1/default/pod-u1"


def test_an_agent_that_stopped_in_good_order_holds_up_deletions_only():
    world = placed_on_c2()
    world.observe("c2", "cluster", ClusterLeft())

    assert stuck_things(world.state) == ()

    world.proxies("c1", deleted("u1"))
    world.cycle()

    assert [stuck.waits_for for stuck in stuck_things(world.state)] == [
        "c2 (agent stopped) to say that its delegate is gone"
    ]


def test_a_released_proxy_waits_for_its_own_agent():
    world = placed_on_c2()
    world.proxies("c1", deleted("u1"))
    world.command(id="1", verb=Verb.RELEASE, cluster="c1", namespace="default", name="pod-u1")
    world.cycle()
    silence(world, "c2")

    assert "the agent of c1 (lost) to remove it" in [
        stuck.waits_for for stuck in stuck_things(world.state)
    ]


def test_a_stranger_is_named():
    world = placed_on_c2()
    world.join("c2", id="other", uid="another-cluster")

    (stuck,) = stuck_things(world.state)

    assert stuck.what == "an agent that calls itself c2"
    assert "another-cluster" in stuck.waits_for
