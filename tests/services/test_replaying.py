"""History is played as it happened: in order, at its own pace, in states that somebody had."""

import pytest

from mcs.errors import LogLost
from mcs.events.observations import Phase
from mcs.ports import Stored, Stream
from mcs.services.reading import Ends, Witness
from mcs.services.replaying import Pace, Player
from tests.building import World, delegate, node, proxy
from tests.services.clocks import LeapingClock
from tests.services.logs import WorldLog

HOUR_S = 3600
NOTHING = Ends(0, 0)


def history():
    """A pod that is placed after a second, runs after two, and ends an hour later."""
    world = World()
    world.join("c1", node("n1"))
    world.proxies("c1", proxy("u1"))
    world.tick(1)
    world.cycle()
    world.tick(1)
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.RUNNING))
    world.mark()
    for _ in range(60):
        world.tick(HOUR_S / 60)
        world.mark()
    world.delegates("c1", "c1", delegate("u1.1", node="n1", phase=Phase.SUCCEEDED))
    world.tick(1)
    return world


class Played:
    """A play with everything that was seen of it."""

    def __init__(self, world, *, start=NOTHING, ends=None, log=None, **pace):
        self.clock, self.world = LeapingClock(), world
        self.log = log or WorldLog(world)
        self.start, self.ends, self.pace = start, ends, Pace(**pace)
        self.beats, self.times_s, self.heard, self.states = [], [], [], []
        self.player = None

    async def run(self):
        log = self.log.connection
        ends = self.ends or await Ends.of(log)
        self.player = Player(log, self.clock, self.pace, start=self.start, ends=ends)
        self.player.state = self.player._history.state = Witness(self._check)
        await self.player.wind(lambda *heard: self.heard.append(heard))
        async for beat in self.player.play():
            self.beats.append(beat)
            self.times_s.append(self.clock.elapsed_s)
        return self

    def _check(self, state, frame):
        self.states.append(frame.cycle)
        assert state.digest() == frame.state
        assert state.observed.sequence == frame.based_on

    @property
    def news(self):
        return [beat for beat in self.beats if any(not line.quiet for line in beat.lines)]


async def test_every_message_is_played_once_in_the_order_of_time():
    world = history()

    played = await Played(world).run()

    places = [(beat.stored.subject[:7], beat.stored.sequence) for beat in played.beats]
    assert len(set(places)) == len(places) == len(world.observations) + len(world.decisions)
    times = [beat.stored.time_ns for beat in played.beats]
    assert times == sorted(times)


async def test_every_cycle_is_folded_in_the_state_it_was_decided_in():
    world = history()

    played = await Played(world).run()

    assert played.states == list(range(1, world.state.cycle + 1))
    assert played.player.state.digest() == world.replay().digest()


async def test_an_observation_is_folded_when_it_comes_unless_a_cycle_was_decided_without_it():
    world = World()
    world.join("c1", node("n1"))
    world.proxies("c1", proxy("u1"))
    based_on = len(world.observations)
    world.cycle()
    log = WorldLog(world)
    late = Stored(based_on + 1, "mcs.obs._clock", world.now_ns + 100_000, b"{}")
    log.broker.streams[Stream.OBSERVATIONS].messages.append(late)  # before the cycle, in time
    log.broker.streams[Stream.OBSERVATIONS].add("mcs.obs._clock", b"{}", world.now_ns + 10**9)
    ends = await Ends.of(log.connection)
    player = Player(log.connection, LeapingClock(), Pace(), start=NOTHING, ends=ends)
    await player.wind(lambda *_: None)
    seen = [
        (beat.stored.subject[4:7], beat.stored.sequence, player.state.observed.sequence)
        async for beat in player.play()
    ]

    assert seen[-4:] == [
        ("obs", based_on, based_on),
        ("obs", based_on + 1, based_on),  # the cycle that is to come did not know it
        ("dec", 2, based_on + 1),
        ("obs", based_on + 2, based_on + 2),
    ]


@pytest.mark.parametrize("speed", [0.5, 1.0, 100.0])
async def test_time_passes_at_its_speed(speed):
    played = await Played(history(), speed=speed, pause_s=10**6).run()

    first = played.beats[0].stored.time_ns
    for beat, at_s in zip(played.beats, played.times_s, strict=True):
        due_s = (beat.stored.time_ns - first) / 1e9 / speed
        assert at_s == pytest.approx(due_s, abs=1e-3)


async def test_long_silence_is_shortened_and_said():
    played = await Played(history(), speed=10, pause_s=2).run()

    shortened = [beat for beat in played.beats if beat.shortened_s]
    (ended,) = shortened
    assert ended.shortened_s == pytest.approx(HOUR_S, abs=1)
    assert "Succeeded" in ended.lines[0].words[-3].text
    at_s = dict(zip([id(beat) for beat in played.beats], played.times_s, strict=True))
    running = next(beat for beat in played.news if "Running" in str(beat.lines[-1].words))
    assert at_s[id(ended)] - at_s[id(running)] == pytest.approx(2, abs=0.01)


async def test_what_lies_before_the_beginning_is_folded_at_once():
    world = history()
    since_ns = world.observations[8][2]

    played = await Played(world, start=Ends(2, 7), since_ns=since_ns).run()

    assert played.heard[-1] == (9, 9)
    assert min(beat.stored.time_ns for beat in played.beats) >= since_ns
    assert played.states[:2] == [1, 2]
    assert played.player.state.digest() == world.replay().digest()


async def test_it_ends_at_the_moment_that_was_asked_for():
    world = history()

    played = await Played(world, ends=Ends(2, 8)).run()

    state = played.player.state
    assert (state.decided.sequence, state.observed.sequence) == (2, 8)
    assert {beat.stored.sequence for beat in played.beats} == set(range(1, 9))


async def test_an_empty_log_is_over_at_once():
    world = World()
    world.decisions.clear()

    assert (await Played(world).run()).beats == []


async def test_clocks_of_the_streams_may_differ():
    """A decision that seems older than what it was based on."""
    world = history()
    log = WorldLog(world)
    stream = log.broker.streams[Stream.DECISIONS]
    stream.messages[:] = [
        Stored(each.sequence, each.subject, each.time_ns - 50_000_000, each.data)
        for each in stream.messages
    ]

    played = await Played(world, log=log).run()

    assert played.states == list(range(1, world.state.cycle + 1))


async def test_a_damaged_decision_stops_it():
    log = WorldLog(history())
    log.broker.streams[Stream.DECISIONS].add("mcs.dec._._", b"{", 2 * 10**18)

    with pytest.raises(LogLost, match="cannot be read"):
        await Played(None, log=log).run()
