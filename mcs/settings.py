"""What can be set: frozen structs, filled once by the command line. Units are in the names.

Each limit says why it has the value it has. Rules of placement are no settings of a process but
part of the policy, which the log records (``events.decisions.Policy``).
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcs.events.decisions import Policy
from mcs.names import DEFAULT_DOMAIN

SOURCE: Final = "source"
TARGET: Final = "target"


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One leader per cluster. The times are client-go's defaults for Kubernetes' own controllers:
    a leader stops itself (``renew_s``) well before another may start (``duration_s``).
    """

    name: str = "mcs-agent"
    namespace: str = "mcs-system"
    duration_s: int = 15
    renew_s: float = 10.0
    retry_s: float = 2.0


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One agent process."""

    cluster: str
    roles: tuple[str, ...] = (SOURCE, TARGET)
    domain: str = DEFAULT_DOMAIN
    lease: LeaseSettings = LeaseSettings()
    heartbeat_s: float = 5.0  # eight of them fit into the 40 s after which a cluster is lost
    resync_every_s: float = 10.0  # a full account costs a list of all pods: no more often on demand
    backlog_bytes: int = 64 * 1024 * 1024  # facts kept while NATS is away; then a new full account
    leave_s: float = 3.0  # for the last words of an orderly stop; kubelets give 30 s
    retry_s: float = 1.0  # first wait before an agent that lost its place tries again
    retry_max_s: float = 30.0  # an API server or NATS that returns is noticed so late at most


class SchedulerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduler process; several may stand by."""

    domain: str = DEFAULT_DOMAIN
    policy: Policy = Policy()
    silence_s: float = 2.0  # a standby claims after so long without a decision: two marks missed
    mark_s: float = 1.0  # the active one says at least so often that it lives
    slice_messages: int = 512  # folded between two cycles: some 50 ms, so catching up shows
    compare_s: float = 5.0  # between two looks whether both logs are whole: six small questions
    resync_ask_s: float = 30.0  # between two questions about one broken channel
    retry_s: float = 0.5  # before an append without an answer is tried again
    snapshot_every_s: float = 300.0  # a start then folds so much at most; 0: save none
    snapshot_messages: int = 100_000  # or so many, if they come sooner: seconds of folding
    snapshots_kept: int = 3  # one may be damaged, one may be ahead of a log that lost its end
