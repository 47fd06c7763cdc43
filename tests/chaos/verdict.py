"""After the faults: everything reached its end, and I1 to I10 hold, by the API servers and the log.

I1, I5, I7 and the replay (I3, I4) are checked by ``tests/kubernetes/invariants``, which a chaos run
shares with the tests that break one thing at a time.
"""

import base64
import contextlib
import json

from mcs.adapters.jetstream import connect
from mcs.decisions.scheduling import schedule
from mcs.events.decisions import PodDeferred, PodPlaced
from mcs.names import CLOCK, OPERATOR, Keys
from mcs.objects.waiting import WAITING
from mcs.ports import Stream
from mcs.services.reading import Ends
from tests.chaos.eavesdropper import digest_of
from tests.kubernetes.invariants import unfinished
from tests.kubernetes.pods import condition, path, pod

EXEMPT = {CLOCK, OPERATOR}


async def stored(federation):
    """Every message of both logs, by (stream, sequence)."""
    log = await connect(federation.nats.url, name="a verdict")
    found = {}
    try:
        ends = await Ends.of(log)
        for stream in Stream:
            reader = await log.read(stream)
            position = 0
            while position < ends.last(stream):
                for message in await reader.next():
                    position = message.sequence
                    found[str(stream), position] = message
            await reader.close()
    finally:
        await log.close()
    return found


def check_acknowledged(acknowledged, doubly, messages):
    """I6: what was acknowledged before the log was read is there, byte for byte. Returns how many
    were compared.
    """
    assert acknowledged, "I6: no acknowledgement was heard: the check is empty"
    for (stream, sequence), digest in acknowledged.items():
        message = messages.get((stream, sequence))
        assert message is not None, f"I6: {stream} {sequence} was acknowledged and is lost"
        found = digest_of(message.subject, message.data)
        assert found == digest, f"I6: {stream} {sequence} is not what was acknowledged"
    assert not doubly, f"I6: acknowledged twice, differently: {doubly}"
    return len(acknowledged)


def check_writers(messages, planted):
    """I9: each frame is its subject's cluster's own, and each number was written once: two
    different frames of one number would be two writers in one epoch. ``planted``: digests of bad
    frames. Returns how many frames are stored twice, byte for byte, as a retry does.
    """
    numbers, repeated = {}, 0
    for (stream, sequence), message in messages.items():
        if stream != Stream.OBSERVATIONS:
            continue
        if digest_of(message.subject, message.data) in planted:
            continue
        frame = json.loads(message.data)
        tokens = message.subject.split(".")
        assert frame["source"] == tokens[2], f"I9: {message.subject} {sequence} is a stranger's"
        if frame["source"] in EXEMPT or not frame.get("epoch"):
            continue
        key = frame["source"], frame["epoch"], frame["channel"], frame.get("number", 0)
        same = numbers.setdefault(key, message.data) == message.data
        assert same, f"I9: {key} was written twice, differently, again at {sequence}"
        repeated += numbers[key] is not message.data
    return repeated


async def check_hidden(federation, messages, hidden):
    """I10: a Secret's content is nowhere in the log, in a process's log, or in an Event."""
    needles = hidden.encode(), base64.b64encode(hidden.encode())
    haystacks = {f"{stream} {sequence}": m.data for (stream, sequence), m in messages.items()}
    for file in federation.folder.rglob("*"):
        if file.is_file():
            with contextlib.suppress(FileNotFoundError):  # of a server that works: gone since
                haystacks[str(file)] = file.read_bytes()
    for name, plane in federation.planes.items():
        events = await plane.api.get("/api/v1/events")
        haystacks[f"Events of {name}"] = json.dumps(events).encode()
    assert len(haystacks) > 100, "I10: hardly anything was searched"
    for where, hay in haystacks.items():
        assert not any(needle in hay for needle in needles), (
            f"I10: a Secret's content is in {where}"
        )


def check_waiting(state, uids):
    """I2: who waits does so for a reason that is true now: deciding once more changes nothing."""
    for event in schedule(state, Keys()):
        changes = isinstance(event, PodDeferred | PodPlaced) and event.uid in uids
        assert not changes, (
            f"I2: {event.uid} waited for a reason that is not true any more: {event}"
        )


async def problems(federation, sightings, traffic, impossible):
    """What is not settled yet, in words. ``impossible``: names of pods that have to wait."""
    lives = {life.uid: life for life in traffic.lives()}
    waiting = {
        life.uid
        for life in lives.values()
        if life.name in impossible and life.phase == "Pending" and not life.deleting
    }
    found = [
        each
        for each in unfinished(sightings, traffic.namespace)
        if not any(f"({uid}) is Pending, with []" in each for uid in waiting)
    ]
    api = federation.planes["c1"].api
    for uid in waiting if not found else ():
        item = await api.get(path(traffic.namespace, lives[uid].name))
        if condition(item, "PodScheduled").get("reason") != WAITING:
            found.append(f"I2: {lives[uid]} does not say that it waits")
    return found


async def check_nobody_else_is_delayed(federation, traffic):
    """I8: while c2's agents do not answer, and while impossible pods wait, c1 goes on."""
    agents = [federation.agents["c2"], *_standbys(federation, "c2")]
    for agent in agents:
        agent.pause()
    try:
        api = federation.planes["c1"].api
        body = pod("bystander", namespace=traffic.namespace, cluster="c1", run_for="1s")
        made = await api.create(path(traffic.namespace), body)
        traffic.created["bystander"] = made["metadata"]["uid"]
        await api.wait_pod("bystander", "Succeeded", namespace=traffic.namespace, timeout_s=60)
    finally:
        for agent in agents:
            agent.resume()


def _standbys(federation, cluster):
    return [each for name, each in federation.extra.items() if name.startswith(f"agent-{cluster}-")]
