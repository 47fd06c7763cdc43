"""Several schedulers at once: one decides, the others stand by, and no decision is lost or doubled.

design.md, section 2: "Becoming active is an append", "the order of history".
"""

import asyncio

import pytest

from mcs.adapters.memory_log import Fate
from mcs.errors import LogLost
from mcs.events.decisions import CycleMarked
from mcs.ports import Stream
from tests.building import node, proxy
from tests.services.schedulers.reigns import Reigns, virtually

TAKE_OVER_S = 3.0  # of virtual time: two silent seconds, and a claim


async def three(reigns):
    """Three schedulers, of which the first is active, and a cluster with room."""
    first = reigns.start("s1")
    await reigns.until(lambda: first.active)
    others = [reigns.start("s2"), reigns.start("s3")]
    reigns.agents.join("c1", node(cpu=100_000))
    reigns.agents.proxies("c1", proxy("u1"))
    await reigns.until(lambda: reigns.placements)
    await asyncio.sleep(5)
    return first, others


@virtually
async def test_one_decides_and_the_others_stand_by_in_the_order_of_history():
    async with Reigns() as reigns:
        first, others = await three(reigns)

        assert first.active
        assert not any(other.active for other in others)
        assert reigns.reigns == [1]
        decided = first.scheduler.state.decided
        assert [other.scheduler.state.decided for other in others] == [decided] * 2
        based_on = [other.scheduler.state.observed.sequence for other in others]
        assert all(at <= first.scheduler.state.observed.sequence for at in based_on)
        reigns.verify()


@virtually
async def test_a_killed_active_is_followed_within_seconds_and_nothing_is_lost_or_doubled():
    async with Reigns() as reigns:
        first, others = await three(reigns)
        reigns.agents.proxies("c1", proxy("u2"))
        first.kill()
        reigns.agents.proxies("c1", proxy("u3"))
        took_s = await reigns.until(lambda: any(other.active for other in others))
        await reigns.until(lambda: len(reigns.placements) == 3)

        assert took_s <= TAKE_OVER_S
        assert reigns.reigns == [1, 2]
        assert sorted(reigns.placements) == ["u1.1", "u2.1", "u3.1"]
        reigns.verify()


@virtually
async def test_each_of_three_takes_its_turn():
    async with Reigns() as reigns:
        first, others = await three(reigns)
        first.kill()
        await reigns.until(lambda: any(other.active for other in others))
        (second,) = (other for other in others if other.active)
        second.kill()
        (third,) = (other for other in others if other is not second)
        took_s = await reigns.until(lambda: third.active)
        reigns.agents.proxies("c1", proxy("u2"))
        await reigns.until(lambda: len(reigns.placements) == 2)

        assert took_s <= TAKE_OVER_S
        assert reigns.reigns == [1, 2, 3]
        reigns.verify()


@virtually
async def test_of_two_that_claim_at_once_one_is_refused_and_folds_on():
    async with Reigns() as reigns:
        both = [reigns.start("s1"), reigns.start("s2")]
        await reigns.until(lambda: any(each.active for each in both))
        await asyncio.sleep(10)

        assert sum(each.active for each in both) == 1
        assert reigns.reigns == [1]
        assert both[0].scheduler.state.claim == both[1].scheduler.state.claim
        reigns.verify()


@virtually
async def test_a_paused_one_that_wakes_is_refused_steps_down_and_rebuilds():
    async with Reigns() as reigns:
        first, others = await three(reigns)
        first.freeze()
        stale = first.scheduler.state
        reigns.agents.proxies("c1", proxy("u2"))
        await reigns.until(lambda: len(reigns.placements) == 2)
        assert first.active, "it does not know yet"
        before = len(reigns.messages)

        first.wake()
        await reigns.until(lambda: not first.active)
        await asyncio.sleep(5)

        assert reigns.reigns == [1, 2]
        assert first.scheduler.state is not stale
        (second,) = (other for other in others if other.active)
        assert first.scheduler.state.decided == second.scheduler.state.decided
        assert len(reigns.messages) > before
        reigns.verify()

        for other in others:
            other.kill()
        reigns.agents.proxies("c1", proxy("u3"))
        await reigns.until(lambda: first.active)
        await reigns.until(lambda: len(reigns.placements) == 3)
        assert reigns.reigns == [1, 2, 3]
        reigns.verify()


@virtually
async def test_a_standby_that_slept_does_not_take_over_from_a_living_one():
    async with Reigns() as reigns:
        first, others = await three(reigns)
        others[0].freeze()
        await asyncio.sleep(60)
        others[0].wake()
        await asyncio.sleep(10)

        assert first.active
        assert reigns.reigns == [1]
        reigns.verify()


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.ANSWER_LOST, Fate.UNSENT])
@virtually
async def test_a_claim_without_an_answer_is_settled_and_counts_once(fate):
    async with Reigns() as reigns:
        first = reigns.start("s1")
        fates = [fate] * 3
        first.connection.fate = lambda _: fates.pop() if fates else Fate.DELIVERED
        await reigns.until(lambda: first.active)
        await asyncio.sleep(3)

        assert reigns.reigns == [1]
        reigns.verify()


@virtually
async def test_an_append_stored_before_an_outage_counts_once_and_its_maker_steps_down():
    """Stored, the answer lost, the connection gone; another one has taken over meanwhile."""
    async with Reigns() as reigns:
        first, _ = await three(reigns)
        fates = [Fate.ANSWER_LOST]

        def fate(messages):
            if b"pod.placed" not in messages[0][1] or not fates:
                return Fate.DELIVERED
            asyncio.get_running_loop().call_soon(first.connection.cut)
            return fates.pop()

        first.connection.fate = fate
        reigns.agents.proxies("c1", proxy("u2"))
        await reigns.until(lambda: reigns.reigns == [1, 2])
        reigns.agents.proxies("c1", proxy("u3"))
        await reigns.until(lambda: len(reigns.placements) == 3)
        first.connection.mend()
        await reigns.until(lambda: not first.active)

        assert reigns.placements == ["u1.1", "u2.1", "u3.1"], "I6"
        reigns.verify()


@virtually
async def test_an_append_lost_in_an_outage_is_never_sent_on_stale_state():
    """The connection breaks with a decision in hand; another one decides otherwise meanwhile."""
    async with Reigns() as reigns:
        first, _ = await three(reigns)

        def fate(messages):
            if b"pod.placed" in messages[0][1]:
                first.connection.cut()
                return Fate.LOST
            return Fate.DELIVERED

        first.connection.fate = fate
        reigns.agents.proxies("c1", proxy("u2"))
        await reigns.until(lambda: reigns.reigns == [1, 2])
        await reigns.until(lambda: len(reigns.placements) == 2)
        first.connection.fate = lambda _: Fate.DELIVERED
        first.connection.mend()
        await reigns.until(lambda: not first.active)

        assert reigns.placements == ["u1.1", "u2.1"], "I1"
        reigns.verify()


@virtually
async def test_an_append_that_arrives_after_its_answer_was_given_up_counts_once():
    async with Reigns() as reigns:
        first, _ = await three(reigns)
        late = []

        def fate(messages):
            if b"pod.placed" not in messages[0][1] or late:
                return Fate.DELIVERED
            late.append((messages, len(reigns.messages)))
            loop = asyncio.get_running_loop()
            loop.call_later(0.3, lambda: reigns.broker.store(messages, late[0][1]))
            return Fate.LOST

        first.connection.fate = fate
        reigns.agents.proxies("c1", proxy("u2"))
        await reigns.until(lambda: len(reigns.placements) == 2)
        reigns.agents.proxies("c1", proxy("u3"))
        await reigns.until(lambda: len(reigns.placements) == 3)

        assert reigns.reigns == [1]
        assert first.active
        reigns.verify()


@virtually
async def test_while_an_append_is_unsettled_nothing_else_is_decided():
    async with Reigns() as reigns:
        first = reigns.start("s1")
        await reigns.until(lambda: first.active)
        reigns.agents.join("c1", node(cpu=100_000))
        sent = []

        def fate(messages):
            if messages[0][0].startswith("mcs.obs."):
                return Fate.DELIVERED
            sent.append(tuple(messages))
            return Fate.LOST

        first.connection.fate = fate
        for uid in ("u1", "u2", "u3"):
            reigns.agents.proxies("c1", proxy(uid))
            await asyncio.sleep(5)
        first.connection.fate = lambda _: Fate.DELIVERED
        await reigns.until(lambda: len(reigns.placements) == 3)

        assert len(set(sent)) == 1, "byte for byte"
        assert len(sent) > 10
        reigns.verify()


@virtually
async def test_an_active_one_marks_every_second_that_it_lives():
    async with Reigns() as reigns:
        first = reigns.start("s1")
        await reigns.until(lambda: first.active)
        await asyncio.sleep(10.5)

        assert len(reigns.decided(CycleMarked)) in (10, 11)


@virtually
async def test_one_whose_decisions_the_log_forgot_and_grew_over_stops_and_says_so():
    """While it was cut off, NATS lost its tail, and another one decided further from there."""
    async with Reigns() as reigns:
        first, _ = await three(reigns)
        for name in ("s2", "s3"):
            reigns.processes[name].kill()
        last = len(reigns.messages)
        first.connection.cut()
        reigns.broker.lose_tail(Stream.DECISIONS, last - 3)
        another = reigns.start("s4")
        await reigns.until(lambda: another.active and len(reigns.messages) > last + 3)
        first.connection.mend()
        await reigns.until(first.task.done)

        with pytest.raises(LogLost, match="acknowledged decisions"):
            await first.task
