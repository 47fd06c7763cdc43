"""I2, of a proxy that waits: what it says must be true by the clusters' real nodes and pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mcs.names import VIRTUAL_NODE_PREFIX, Keys
from mcs.projections.membership import Member
from mcs.projections.state import State
from mcs.quantities import CPU
from mcs.simulation.checkers.gangs import INCOMPLETE, PARTLY, Gang, Gangs
from mcs.simulation.checkers.orders import Orders
from mcs.simulation.checkers.rooms import Rooms, asked
from mcs.simulation.checkers.sightings import Json, Life, Sightings

REASONS: Final = {"WaitingForCluster", "WaitingForDelegate", "DelegateRejected"}
_ROUND: Final = "no cluster takes the pod: "
_NOBODY: Final = "no cluster has joined the federation"
_LACKS: Final = re.compile(r"not enough (\S+) on any one node\Z")
_RULED_OUT: Final = re.compile(r"ruled out by (.+)\Z", re.DOTALL)


class Waiting:
    """Judges what waiting proxies say, at the end. What only the log can tell (who is a member,
    who is cordoned by a command, which cluster is tried later) is taken from ``state``, replayed.
    """

    def __init__(
        self, sightings: Sightings, rooms: Rooms, orders: Orders, keys: Keys, state: State
    ) -> None:
        self._sightings, self._rooms, self._orders = sightings, rooms, orders
        self._keys, self._state = keys, state
        self._gangs = Gangs(sightings, rooms, keys)

    def problems(self, proxy: Life) -> Iterator[str]:
        """What a proxy without a node says that is not so."""
        if proxy.manifest["spec"].get("schedulingGates"):
            return
        conditions = (proxy.manifest.get("status") or {}).get("conditions") or ()
        said: Json = next((each for each in conditions if each["type"] == "PodScheduled"), {})
        reason, message = said.get("reason", ""), said.get("message", "")
        delegates = self._sightings.delegates.get(proxy.uid, [])
        tried = any(each.could_run and not each.node for each in delegates)
        if any(each.could_run and each.node for each in delegates):
            yield "waits, though its delegate has a node"
        elif said.get("status") != "False" or reason not in REASONS:
            yield f"waits, and does not say why (PodScheduled {said.get('status')}, {reason!r})"
        elif tried:
            return  # it is being tried: whatever it says of the round before was true then
        elif reason == "WaitingForDelegate":
            yield f"says that it is tried, and has no delegate: {message}"
        else:
            if reason == "DelegateRejected" and not self._was_rejected(proxy):
                yield f"says that it was rejected, and never was: {message}"
            yield from self._group(proxy, message)

    def _group(self, proxy: Life, message: str) -> Iterator[str]:
        """Whether its group is not whole yet, if that is what the message says."""
        gang = self._gangs.of(proxy)
        if INCOMPLETE not in message:
            yield from self._round(proxy, message)
        elif gang is None or gang.ready >= gang.lacking:
            yield f"says {message!r}, but that is not so: {gang}"

    def _was_rejected(self, proxy: Life) -> bool:
        return any(each.placement in self._orders.rejected for each in self._orders.of(proxy.uid))

    def _round(self, proxy: Life, message: str) -> Iterator[str]:
        """Each cluster's verdict, as the message has it, against the cluster."""
        members = self._targets()
        _, found, verdicts = message.partition(_ROUND)
        said = dict(_verdict(part) for part in verdicts.split("; ")) if found else {}
        pin = (proxy.manifest["metadata"].get("annotations") or {}).get(self._keys.clustername, "")
        if members and not found:
            yield f"waits, and its message has no verdicts: {message!r}"
            return
        for name in sorted({*said, *members}):
            if name not in members:
                if name != pin:
                    yield f"speaks of {name}, which is no target: {message}"
            elif name not in said:
                yield f"says nothing of {name}: {message}"
            elif name in self._sightings.nodes:
                for problem in self._verdict(proxy, members[name], said[name], pin):
                    yield f"says of {name} {said[name]!r}, but {problem}"

    def _targets(self) -> dict[str, Member]:
        return {
            name: member
            for name, member in self._state.membership.members.items()
            if not member.removed and "target" in member.roles
        }

    def _verdict(self, proxy: Life, member: Member, words: str, pin: str) -> Iterator[str]:
        spec, rooms, name = self._spec(proxy), self._rooms, member.name
        if (spec.get("affinity") or {}).get("nodeAffinity"):
            return  # not recomputed here
        closed = self._closed(proxy, member, pin)
        eligible = rooms.eligible(name, spec)
        lacking = {node: rooms.lacking(name, node, spec) for node in eligible}
        lacks, ruled_out = _LACKS.match(words), _RULED_OUT.match(words)
        free = [node for node, short in lacking.items() if not short]
        if words == PARTLY:
            gang = self._gangs.of(proxy)
            if closed or not free or gang is None or self._has_room(proxy, gang, pin, name):
                yield f"that is not so: {closed or lacking}, {gang}"
        elif not closed and free:
            yield f"node {free[0]} has room for it"
        elif lacks and closed:
            yield f"it is {closed}"
        elif lacks and not any(lacks[1] in short for short in lacking.values()):
            yield f"no eligible node is short of that: {lacking}"
        elif ruled_out and not closed and eligible:
            yield f"nothing rules out {eligible[0]}, which is short of {lacking[eligible[0]]}"
        elif not lacks and not ruled_out:
            yield "that is no verdict"

    def _has_room(self, proxy: Life, gang: Gang, pin: str, cluster: str) -> bool:
        """Whether the whole of a group finds its place there, or in all open clusters if spread."""
        targets = self._targets() if gang.spread else {cluster: self._targets()[cluster]}
        clusters = [name for name, each in targets.items() if not self._closed(proxy, each, pin)]
        waiting = (self._spec(each) for each in (proxy, *gang.waiting))
        largest = max(waiting, key=lambda spec: asked(spec).get(CPU, 0))
        return self._gangs.has_room(gang, largest, clusters)

    def _closed(self, proxy: Life, member: Member, pin: str) -> str:
        """Why a cluster takes no pod of this proxy, whatever is free there; or nothing."""
        known = self._state.backlog.proxies.get(proxy.uid)
        backoff = known.backoff.get(member.name) if known is not None else None
        node = self._sightings.nodes[proxy.cluster].get(VIRTUAL_NODE_PREFIX + member.name)
        gang = self._gangs.of(proxy)
        led = gang.led if gang is not None else ""
        closed = {
            f"its group runs in {led}": bool(led) and led != member.name,
            f"pinned to {pin}": bool(pin) and pin != member.name,
            "lost": member.lost,
            "left": member.left,
            "cordoned": member.cordoned,
            "behind a cordoned virtual node": bool(node and node["spec"].get("unschedulable")),
            "not known yet": not member.current,
            "tried later": backoff is not None and self._state.elapsed_ms < backoff.until_ms,
        }
        return next((why for why, holds in closed.items() if holds), "")

    def _spec(self, proxy: Life) -> Json:
        """What the user asked for."""
        notes = proxy.manifest["metadata"]["annotations"]
        saved: dict[str, Any] = msgspec.json.decode(notes[self._keys.manifest], type=dict)
        spec: Json = saved.get("spec") or {}
        return spec


def _verdict(part: str) -> tuple[str, str]:
    name, _, words = part.partition(": ")
    return name, words
