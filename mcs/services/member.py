"""What an agent's services are given while their agent leads its cluster."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mcs.names import Keys
from mcs.ports import Clock, Cluster, EventLog, Requests, Stream
from mcs.services.leadership import Leadership
from mcs.services.nodes import Nodes
from mcs.services.observer import Observer
from mcs.services.pods import Pods
from mcs.services.publisher import Publisher
from mcs.services.standing import Standing
from mcs.settings import AgentSettings


@dataclass(frozen=True, kw_only=True)
class Member:
    """One epoch of one cluster's agent; everything in it ends with the epoch.

    ``name`` is the cluster's, ``cluster`` its API server. ``identities`` are those of the streams:
    give them to each ``Follower``. ``pods`` and ``nodes`` are run by the observer, ``standing`` by
    the agent: subscribe before the first ``await``, and wait for ``synced`` and ``caught_up``.
    """

    name: str
    keys: Keys
    settings: AgentSettings
    cluster: Cluster
    log: EventLog
    requests: Requests
    clock: Clock
    identities: dict[Stream, str]
    epoch: int
    publisher: Publisher
    nodes: Nodes
    pods: Pods
    standing: Standing
    observer: Observer
    lease: Leadership

    def held(self) -> bool:
        """Whether this process still leads, by its own clock: ask before each write."""
        return self.lease.held()


Service = Callable[[Member], Coroutine[Any, Any, None]]
"""A task of an agent that leads: runs until cancelled. What it raises ends the epoch."""
