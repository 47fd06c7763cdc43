"""How a person's command enters the log: checked against what is known, appended, explained."""

from __future__ import annotations

import getpass
import time
import uuid

from mcs import app
from mcs.commands.options import Unknown
from mcs.errors import Unavailable, Uncertain
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import OperatorCommanded, Verb
from mcs.names import OPERATOR
from mcs.ports import EventLog, Stream
from mcs.projections.state import State
from mcs.services.reading import Ends, fold, stored_at
from mcs.services.timestamps import timestamp
from mcs.views.overview import SILENT_S

_ATTEMPTS = 3

_THEN = {
    Verb.CORDON: "the scheduler places nothing new there",
    Verb.UNCORDON: "the scheduler may place pods there again",
    Verb.REMOVE: "the scheduler removes it, and lets go of what waits for it",
    Verb.RELEASE: "the scheduler lets go of it",
}


def order(verb: str, cluster: str, *, namespace: str, name: str, by: str) -> OperatorCommanded:
    """A command with an id of its own, so that it is taken once, however often it is sent."""
    return OperatorCommanded(
        id=uuid.uuid4().hex,
        verb=Verb(verb),
        cluster=cluster,
        namespace=namespace,
        name=name,
        by=by or getpass.getuser(),
    )


async def give(source: app.LogSource, order: OperatorCommanded) -> str:
    """Append a command; returns what happens next, in a sentence.

    Raises:
        Unknown: the log knows no such cluster or pod.
        Unavailable, Uncertain, LogLost: the log cannot be read or written.
    """
    async with app.open_nats(source, name=f"mcs {order.verb}") as log:
        ends = await Ends.of(log)
        state = State()
        await fold(log, state, ends)
        _check(state, order)
        now_s = time.time()
        frame = ObservationFrame(
            source=OPERATOR, channel=order.verb, at=timestamp(now_s), events=(order,)
        )
        sequence = await _append(log, subjects.operator(order.verb), codec.encode(frame))
        last_s = await stored_at(log, Stream.DECISIONS, state.decided.sequence) / 1e9
    silent = "" if now_s - last_s < SILENT_S else ", once one is active: none is at the moment"
    return f"Observation {sequence}: {_THEN[order.verb]}{silent}.{_unless(state, order)}"


def _check(state: State, order: OperatorCommanded) -> None:
    members = state.membership.members
    if order.cluster not in members:
        known = ", ".join(sorted(members)) or "none yet"
        raise Unknown(f"no cluster {order.cluster} has joined; known: {known}")
    if order.verb is not Verb.RELEASE:
        return
    if not state.backlog.find(order.cluster, order.namespace, order.name):
        deleting = sorted(
            f"{proxy.source}/{proxy.namespace}/{proxy.name}"
            for proxy in state.backlog.proxies.values()
            if proxy.deleting
        )
        some = ", ".join(deleting[:10])
        waiting = f"being deleted: {some}" if deleting else "none is being deleted"
        asked = f"{order.cluster}/{order.namespace}/{order.name}"
        raise Unknown(f"the log knows no elected pod {asked}; {waiting}")


def _unless(state: State, order: OperatorCommanded) -> str:
    if order.verb is not Verb.RELEASE:
        return ""
    if any(
        proxy.deleting for proxy in state.backlog.find(order.cluster, order.namespace, order.name)
    ):
        return ""
    return (
        "\nIt is not being deleted yet, and is let go when it is: "
        f"kubectl delete pod -n {order.namespace} {order.name}"
    )


async def _append(log: EventLog, subject: str, data: bytes) -> int:
    """Append; without an answer again, since each id is taken once."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await log.append([(subject, data)])
        except (Uncertain, Unavailable):
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")
