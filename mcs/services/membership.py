"""Being a member: joining, staying, being succeeded, leaving.

A join is an append, and the sequence it got is the epoch: everything this agent says from then on
carries it. Whoever sees a newer join of its own cluster has a successor and stops. A cluster is
known by the uid of its ``kube-system`` namespace, so an agent that was given the wrong kubeconfig
neither takes over a name nor acts on decisions that were meant for another cluster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from mcs.errors import BadFrame, BadSettings, Deposed, Unavailable, Uncertain
from mcs.events import codec, subjects
from mcs.events.decisions import ClusterRemoved
from mcs.events.frames import DecisionFrame, ObservationFrame, digest
from mcs.events.observations import ClusterJoined, ClusterLeft
from mcs.objects.kinds import NAMESPACES
from mcs.ports import Clock, Cluster, EventLog, Requests, Stored, Stream
from mcs.services.follower import READ_LIMIT, Follower
from mcs.services.publisher import BACKOFF_MAX_S, BACKOFF_S, Publisher
from mcs.services.timestamps import timestamp

HOME: Final = "kube-system"  # every cluster has it, and nobody deletes it

_logger = logging.getLogger(__name__)


class Epoch(NamedTuple):
    """One life of an agent as its cluster's writer.

    ``digest`` is that of the join's frame; ``decisions`` the end of DECISIONS before the join.
    """

    number: int
    join: ClusterJoined
    digest: str
    decisions: int


async def cluster_uid(cluster: Cluster) -> str:
    """What tells one cluster from every other. Raises ``ClusterError``."""
    return (await cluster.get(NAMESPACES, HOME)).metadata.uid


async def check_name(log: EventLog, cluster: str, uid: str) -> None:
    """See whether ``cluster`` may be the name of the cluster with this ``uid``.

    Raises:
        BadSettings: it belongs to another one.
        Unavailable: it cannot be told.
    """
    last = await log.last(Stream.OBSERVATIONS, subjects.observation(cluster, subjects.CLUSTER))
    known = await _join_of(log, last) if last is not None else None
    if known is None or known[1].uid == uid or await _removed(log, cluster, known[0]):
        return
    raise BadSettings(
        f"the name {cluster} belongs to a cluster whose {HOME} namespace has uid {known[1].uid}; "
        f"this one's has {uid}. Is it the right kubeconfig and context? If the other cluster is "
        f"gone for good, say so first: mcs cluster remove {cluster} --confirm-dead"
    )


async def join(log: EventLog, clock: Clock, cluster: str, event: ClusterJoined) -> Epoch:
    """Become the writer of ``cluster``; waits for the log as long as it takes.

    Raises:
        BadSettings: the name belongs to a cluster with another uid.
    """
    wait_s = BACKOFF_S
    while True:
        try:
            decisions = (await log.info(Stream.DECISIONS)).last
            before = (await log.info(Stream.OBSERVATIONS)).last
            await check_name(log, cluster, event.uid)
            break
        except Unavailable as error:
            _logger.warning("cannot join yet: %s", error)
        await clock.sleep(wait_s)
        wait_s = min(2 * wait_s, BACKOFF_MAX_S)
    subject = subjects.observation(cluster, subjects.CLUSTER)
    at = timestamp(clock.now())
    frame = ObservationFrame(source=cluster, channel=subjects.CLUSTER, at=at, events=(event,))
    data = codec.encode(frame)
    number, uncertain = await _append(log, clock, subject, data)
    if uncertain:
        number = await _first(log, subject, before, data)
    _logger.info("%s joined: epoch %d", cluster, number)
    return Epoch(number, event, digest(subject, data), decisions)


async def watch_succession(log: EventLog, cluster: str, epoch: Epoch) -> None:
    """Wait for a newer join of this cluster.

    Raises:
        Deposed: another agent writes for it now.
    """

    def judge(stored: Stored, frame: ObservationFrame) -> None:
        for event in frame.events:
            if not isinstance(event, ClusterJoined) or event.id == epoch.join.id:
                continue
            if event.uid == epoch.join.uid:
                raise Deposed(f"a newer agent joined as {cluster} at {stored.sequence}")
            _logger.error("another cluster (%s) tries to join as %s", event.uid, cluster)

    subject = subjects.observation(cluster, subjects.CLUSTER)
    await Follower(log, Stream.OBSERVATIONS, subject, after=epoch.number).run(judge)


async def watch_removal(everybody: Follower[DecisionFrame], cluster: str, epoch: Epoch) -> None:
    """Read what concerns everybody, from ``epoch.decisions`` on, for what ends this epoch.

    Raises:
        Deposed: a person said that the cluster is dead; it is not, so it joins anew.
        LogLost: as ``Follower.run``.
    """

    def judge(_: Stored, frame: DecisionFrame) -> None:
        if frame.based_on >= epoch.number and _removes(frame, cluster):
            raise Deposed(f"{cluster} was removed from the federation")

    await everybody.run(judge)


async def answer_resyncs(requests: Requests, cluster: str, ask: Callable[[str], bool]) -> None:
    """Pass on requests for a full account of a channel (empty: of all) until cancelled; the answer
    is ``accepted``, or ``later`` when ``ask`` does not take it.

    Raises:
        Unavailable: there is no connection.
    """

    async def reply(_subject: str, data: bytes) -> bytes:
        return b"accepted" if ask(data.decode(errors="replace")) else b"later"

    stop = await requests.answer(subjects.control(cluster, "*", "resync"), reply)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await stop()


async def leave(publisher: Publisher, reason: str) -> None:
    """Say that nobody speaks for the cluster until the next join, after all that was said."""
    await publisher.publish(subjects.CLUSTER, ClusterLeft(reason=reason))


async def _append(log: EventLog, clock: Clock, subject: str, data: bytes) -> tuple[int, bool]:
    """Append until it is stored: a sequence it has, and whether it may have an earlier one."""
    uncertain, wait_s = False, BACKOFF_S
    while True:
        try:
            return await log.append([(subject, data)]), uncertain
        except (Uncertain, Unavailable) as error:
            uncertain = uncertain or isinstance(error, Uncertain)
            _logger.warning("join: %s", error)
        await clock.sleep(wait_s)
        wait_s = min(2 * wait_s, BACKOFF_MAX_S)


async def _first(log: EventLog, subject: str, after: int, data: bytes) -> int:
    """The first of equal messages: of joins with one id it is the one that counts."""
    reader = await log.read(Stream.OBSERVATIONS, after=after, subject=subject)
    try:
        while True:
            for stored in await reader.next(limit=READ_LIMIT):
                if stored.data == data:
                    return stored.sequence
    finally:
        await reader.close()


async def _join_of(log: EventLog, last: Stored) -> tuple[int, ClusterJoined] | None:
    """The join of the epoch that a frame belongs to, and its sequence; None: cannot be known."""
    try:
        frame, _ = codec.decode_observation(last.subject, last.data)
        stored = await log.get(Stream.OBSERVATIONS, frame.epoch) if frame.epoch else last
        if stored is None:
            return None
        frame, _ = codec.decode_observation(stored.subject, stored.data)
    except BadFrame:
        return None
    joins = [event for event in frame.events if isinstance(event, ClusterJoined)]
    return (stored.sequence, joins[0]) if joins else None


async def _removed(log: EventLog, cluster: str, since: int) -> bool:
    """Whether a decision based on ``since`` or later removed the cluster."""
    end = await log.last(Stream.DECISIONS, subjects.EVERYBODY)
    before = max((await log.info(Stream.DECISIONS)).first - 1, 0)
    reader = await log.read(Stream.DECISIONS, after=before, subject=subjects.EVERYBODY)
    position = 0
    try:
        while end is not None and position < end.sequence:
            for stored in await reader.next(limit=READ_LIMIT):
                position = stored.sequence
                try:
                    frame, _ = codec.decode_decision(stored.subject, stored.data)
                except BadFrame:
                    continue
                if frame.based_on >= since and _removes(frame, cluster):
                    return True
    finally:
        await reader.close()
    return False


def _removes(frame: DecisionFrame, cluster: str) -> bool:
    return any(
        isinstance(event, ClusterRemoved) and event.cluster == cluster for event in frame.events
    )
