"""The same seed draws the same plan, and a plan does not hit what is away already."""

from tests.chaos.plan import draw, kind_of

PARTS = (
    *("nats-0", "nats-1", "nats-2", "all nats", "scheduler-1", "scheduler-2"),
    *("agent-c1-1", "agent-c2-1", "agent-c2-2", "api-c1", "api-c2"),
)


def test_a_seed_is_a_plan():
    assert str(draw("7", PARTS, 60.0)) == str(draw("7", PARTS, 60.0))
    assert str(draw("7", PARTS, 60.0)) != str(draw("8", PARTS, 60.0))


def test_every_kind_of_part_is_killed_and_paused_in_the_long_run():
    faults = draw("1", PARTS, 600.0).faults

    hit = {(kind_of(fault.part), fault.how) for fault in faults}

    kinds = {"nats", "all nats", "scheduler", "agent", "api"}
    assert hit == {(kind, how) for kind in kinds for how in ("killed", "paused")}


def test_no_part_is_hit_while_it_is_away():
    faults = draw("1", PARTS, 600.0).faults

    for index, fault in enumerate(faults):
        servers = {"nats", "all nats"} if kind_of(fault.part).endswith("nats") else set()
        for earlier in faults[:index]:
            same = earlier.part == fault.part
            whole = {kind_of(earlier.part), kind_of(fault.part)} == servers
            if same or whole:
                assert earlier.at_s + earlier.for_s < fault.at_s


def test_pods_of_every_kind_are_born():
    births = draw("1", PARTS, 120.0).births

    kinds = {"short", "failing", "long", "deleted early", "slow to stop", "impossible"}
    assert {birth.kind for birth in births} == kinds
    assert {birth.cluster for birth in births} == {"", "c1", "c2", "nowhere"}
    assert len({birth.name for birth in births}) == len(births)
