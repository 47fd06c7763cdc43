"""Placement as it is meant, without any haste: every pod against every node of every cluster.

Slow and obviously right; the product's fast placement must agree with it exactly.
"""

import numpy as np

from mcs.decisions.fitting import barred, replicas
from mcs.decisions.policies.candidates import Candidates
from mcs.decisions.policies.chosen import recorded
from mcs.events.decisions import Fits, Lacks, Never
from mcs.quantities import LARGEST, PODS, add


def most_common(words):
    return min(words, key=lambda word: (-words.count(word), word))


class Plain:
    """One cycle: ``placed`` maps uids to (cluster, node); ``reasons``: of all that are left."""

    def __init__(self, state):
        self.state, self.booked = state, {}
        self.placed, self.reasons = {}, {}
        members = state.membership.members
        targets = [members[name] for name in sorted(members)]
        self.targets = [m for m in targets if not m.removed and "target" in m.roles]
        waiting = [state.backlog.proxies[uid] for _, _, uid in state.backlog.waiting]
        heard = [proxy for proxy in waiting if self.speaks(proxy)]
        for proxy in heard:
            self.place(proxy)
        for proxy in heard:
            if proxy.uid not in self.placed:
                self.reasons[proxy.uid] = self.verdicts(proxy)

    def speaks(self, proxy):
        home = self.state.membership.members.get(proxy.source)
        return home is not None and not (home.lost or home.removed or home.removing)

    def place(self, proxy):
        fitting = [m for m in self.targets if self.verdict(proxy, m) == Fits()]
        if not fitting:
            return
        scores = recorded(self.state.policy.score).score(
            self.candidates(proxy, fitting), proxy.requests
        )
        best = fitting[int(np.argmax(scores))].name
        rooms = self.rooms(proxy, best)
        node = min(rooms, key=lambda name: (-rooms[name], name))
        self.placed[proxy.uid] = (best, node)
        before = self.booked.get((best, node), {})
        self.booked[best, node] = add(add(before, proxy.requests), {PODS: 1})

    def verdicts(self, proxy):
        found = {member.name: self.verdict(proxy, member) for member in self.targets}
        if proxy.cluster and proxy.cluster not in found:
            found[proxy.cluster] = Never(constraint="no such target cluster")
        return found

    def verdict(self, proxy, member):
        if why := self.closed(proxy, member):
            return Never(constraint=why)
        nodes = self.state.inventory.nodes.get(member.name, {})
        bars = [bar for node in nodes.values() if (bar := barred(proxy.constraints, node))]
        rooms = self.rooms(proxy, member.name)
        if self.total(proxy, member.name) > 0:
            return Never(constraint="cluster removed") if member.removing else Fits()
        if not rooms:
            return Never(constraint=most_common(bars) if bars else "no nodes")
        limits = [
            replicas(proxy.requests, nodes[name], self.used(member.name, name))[1]
            for name, room in rooms.items()
            if room == 0
        ]
        return Lacks(resource=most_common(limits) if limits else self.owed(proxy, member.name)[1])

    def closed(self, proxy, member):
        home = self.state.membership.members[proxy.source]
        if proxy.cluster and proxy.cluster != member.name:
            return f"pinned to {proxy.cluster}"
        for shut, why in (
            (member.lost, "cluster lost"),
            (member.left, "agent stopped"),
            (member.cordoned, "cluster cordoned"),
            (not member.current, "capacity not known yet"),
            (home.cordons.get(member.name), f"virtual node cordoned in {home.name}"),
        ):
            if shut:
                return why
        backoff = proxy.backoff.get(member.name)
        resting = backoff is not None and self.state.elapsed_ms < backoff.until_ms
        return f"tried: {backoff.reason}" if resting else ""

    def used(self, cluster, node):
        used = self.state.inventory.used(cluster, node)
        return add(used, self.booked.get((cluster, node), {}))

    def rooms(self, proxy, cluster):
        return {
            name: replicas(proxy.requests, node, self.used(cluster, name))[0]
            for name, node in self.state.inventory.nodes.get(cluster, {}).items()
            if not barred(proxy.constraints, node)
        }

    def total(self, proxy, cluster):
        return sum(self.rooms(proxy, cluster).values()) - self.owed(proxy, cluster)[0]

    def owed(self, proxy, cluster):
        asked = {name: n for name, n in proxy.requests.items() if n > 0} | {PODS: 1}
        pods, most = 0, (0, "")
        for debt in self.state.inventory.owed(cluster):
            counts = [(-(-debt[name] // asked[name]), name) for name in asked if name in debt]
            if counts:
                pods += max(counts)[0]
                most = max(most, *counts)
        return pods, most[1]

    def candidates(self, proxy, members):
        names = tuple(member.name for member in members)
        totals, free = {}, {}
        resources = dict.fromkeys(
            (PODS, *(r for name in names for n in self.taking(name) for r in n.allocatable))
        )
        for resource in resources:
            default = 110 if resource == PODS else 0
            totals[resource] = column(
                sum(node.allocatable.get(resource, default) for node in self.taking(name))
                for name in names
            )
            free[resource] = column(
                sum(
                    max(
                        0,
                        node.allocatable.get(resource, default)
                        - self.left_out(name, node, resource),
                    )
                    for node in self.taking(name)
                )
                for name in names
            )
        totals_of = column(self.total(proxy, name) for name in names)
        return Candidates(names=names, replicas=totals_of, totals=totals, free=free)

    def left_out(self, cluster, node, resource):
        return self.used(cluster, node.name).get(resource, 0)

    def taking(self, cluster):
        nodes = self.state.inventory.nodes.get(cluster, {}).values()
        return [node for node in nodes if node.ready and not node.cordoned]


def column(amounts):
    return np.array([min(amount, LARGEST) for amount in amounts], np.int64)
