"""What goes wrong in a simulated federation."""

from __future__ import annotations

from typing import TypeVar, assert_never

import msgspec

from mcs.adapters.memory_log import MemoryBroker
from mcs.errors import BadFrame as Unreadable
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame, digest
from mcs.events.observations import ResyncStarted, Ticked
from mcs.ports import Stream
from mcs.simulation.act_one import ActOne
from mcs.simulation.losses import Loss
from mcs.simulation.plan import (
    FORGED,
    Accident,
    ApiDown,
    ApiErrors,
    BadAppends,
    BadFrame,
    BadRequests,
    BreakWatches,
    Kill,
    LoseTail,
    LossyWay,
    NatsDown,
    Partition,
    Pause,
    SlowDelivery,
)
from mcs.simulation.world import World

T = TypeVar("T")


class Accidents:
    """They happen to ``world``; what lasts a while ends with act one at the latest. ``losses``:
    of acknowledged messages, so far.
    """

    def __init__(self, world: World, act_one: ActOne) -> None:
        self.losses: list[Loss] = []
        self._world, self._act_one = world, act_one

    async def happen(self, item: Accident) -> None:
        """Let one thing go wrong, for as long as it says."""
        world, weather = self._world, self._world.weather
        weather.happened[type(item).__name__] += 1
        match item:
            case Kill():
                world.processes[item.process].kill(calls=item.calls, down_s=item.down_s)
            case Pause():
                world.pause(item.process)
                await self._act_one.wait(item.for_s)
                world.go_on(item.process)
            case Partition():
                await self._cut_off(item.who, item.for_s)
            case NatsDown():
                await self._cut_off("", item.for_s)
            case LoseTail():
                await self._lose_tail(item)
            case BadAppends():
                await self._during(weather.appends, item.process, item.rate, item.for_s)
            case SlowDelivery():
                await self._during(weather.delivery_s, item.process, item.delay_s, item.for_s)
            case LossyWay():
                await self._during(weather.losses, item.process, item.rate, item.for_s)
            case BadRequests():
                weather.requests = item.rate
                await self._act_one.wait(item.for_s)
                weather.requests = 0
            case BadFrame():
                world.broker.store([forged(item, world.broker) or bad_frame(item)])
            case ApiErrors():
                await self._during(weather.api, item.cluster, item.rate, item.for_s)
            case ApiDown():
                await self._api_down(item)
            case BreakWatches():
                cluster = world.places[item.cluster].cluster
                if item.compact:
                    cluster.compact()
                cluster.break_watches()
            case _:
                assert_never(item)

    async def _cut_off(self, who: str, for_s: float) -> None:
        self._world.cut(who)
        await self._act_one.wait(for_s)
        self._world.mend(who)

    async def _api_down(self, item: ApiDown) -> None:
        cluster = self._world.places[item.cluster].cluster
        cluster.stop()
        await self._act_one.wait(item.for_s)
        cluster.start()

    async def _lose_tail(self, item: LoseTail) -> None:
        world, name = self._world, Stream(item.stream)
        world.cut("")
        await self._act_one.wait(item.for_s / 2)
        last = max(0, world.broker.streams[name].last - item.count)
        self.losses.append(Loss(world, name, last))
        world.bereave(name, last)
        world.broker.lose_tail(name, last)
        await self._act_one.wait(item.for_s / 2)
        world.mend("")

    async def _during(self, rates: dict[str, T], key: str, value: T, for_s: float) -> None:
        rates[key] = value
        await self._act_one.wait(for_s)
        rates.pop(key, None)


def bad_frame(item: BadFrame) -> tuple[str, bytes]:
    """Subject and bytes of something that no mcs of this version would have stored there."""
    # Each channel has other readers: the scheduler, its own agent, all agents.
    channels = subjects.CAPACITY, subjects.delegate_channel(item.cluster), subjects.CLUSTER
    subject = subjects.observation(item.cluster, channels[item.kind % len(channels)])
    foreign = ObservationFrame(
        source=item.cluster, epoch=999_999, channel="capacity", number=7, events=(Ticked(),)
    )
    samples = (
        b"",
        b'{"schema": 1, "source": "',
        b'{"schema": 1, "source": "somebody-else", "channel": "capacity", "events": []}',
        codec.encode(foreign),
        b"\xff\xfe\x00 not even text",
        b"[" * 2000,
    )
    return subject, samples[item.kind % len(samples)]


def forged(item: BadFrame, broker: MemoryBroker) -> tuple[str, bytes] | None:
    """A frame made of real ones: the cluster's last one again, or with a number that does not
    follow, or another cluster's next one on this one's subject. None: it is of another kind, or
    nobody has spoken yet.
    """
    mine = subjects.observation(item.cluster, subjects.CAPACITY)
    spoken: dict[str, tuple[ObservationFrame, str]] = {}
    for stored in broker.streams[Stream.OBSERVATIONS].messages:
        try:
            frame, _ = codec.decode_observation(stored.subject, stored.data)
        except Unreadable:
            continue
        if frame.channel == subjects.CAPACITY and frame.epoch < stored.sequence:
            spoken[stored.subject] = frame, digest(stored.subject, stored.data)
    if item.kind not in FORGED:
        return None
    kind = FORGED.index(item.kind)
    last, _ = spoken.pop(mine, (None, ""))
    if kind == 0 and last is not None:
        return mine, codec.encode(last)
    if kind == 1 and last is not None:
        # A frame that nobody misses may do no harm; one that begins an account might.
        begins = last.number % 2 == 0 or isinstance(last.events[0], ResyncStarted)
        events = (ResyncStarted(reason="forged"),) if begins else last.events
        beyond = msgspec.structs.replace(last, number=last.number + 5, events=events)
        return mine, codec.encode(beyond)
    if kind == 2 and spoken:
        other, before = spoken[min(spoken)]
        next_one = msgspec.structs.replace(
            other,
            number=other.number + 1,
            previous=before,
            events=(ResyncStarted(reason="forged"),),
        )
        return mine, codec.encode(next_one)
    return None
