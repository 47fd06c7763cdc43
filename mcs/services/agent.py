"""The process in each cluster: standing by, leading, standing by again.

    stand by   webhooks answer; somebody else may lead
    lead       the Lease is held; the logs are those that were known
    join       an append makes the epoch
    serve      observe, execute, feed back, beat
    leave      last words, so that nobody has to wait for our silence

A successor, a lost Lease or a log that stayed away too long ends the epoch, not the process: it
stands by again. A wrong log or a wrong cluster ends the process, with what to do about it: to go on
would delete or duplicate somebody's work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import mcs
from mcs.errors import ClusterError, Deposed, LogLost, McsError, Unavailable
from mcs.events import subjects
from mcs.events.observations import ClusterJoined
from mcs.names import Keys
from mcs.ports import Clock, Cluster, EventLog, Requests, Stream
from mcs.services.follower import Follower
from mcs.services.heartbeats import Heartbeats
from mcs.services.known_logs import KnownLogs
from mcs.services.leadership import Leadership
from mcs.services.member import Member, Service
from mcs.services.membership import (
    Epoch,
    answer_resyncs,
    check_name,
    cluster_uid,
    join,
    leave,
    watch_removal,
    watch_succession,
)
from mcs.services.nodes import Nodes
from mcs.services.observer import Observer
from mcs.services.pods import Pods
from mcs.services.publisher import Publisher
from mcs.services.standing import Standing
from mcs.services.target_ledger import TargetLedger
from mcs.settings import SOURCE, TARGET, AgentSettings

T = TypeVar("T")
_logger = logging.getLogger(__name__)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The exceptions in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


class _StoppedError(McsError):
    """Somebody asked the agent to stop, in good order."""


class Agent:
    """One agent process. ``always`` run whether it leads or not; ``services`` while it leads, by
    the role that they serve. ``draw_id`` gives random identities. ``member``: set while it leads.
    """

    def __init__(
        self,
        settings: AgentSettings,
        *,
        cluster: Cluster,
        log: EventLog,
        requests: Requests,
        clock: Clock,
        draw_id: Callable[[], str],
        services: Sequence[tuple[str, Service]] = (),
        always: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self.member: Member | None = None
        self.settings = settings
        self._cluster, self._log, self._requests, self._clock = cluster, log, requests, clock
        self._draw_id = draw_id
        self._services = [run for role, run in services if role in settings.roles]
        self._always = always
        self._keys = Keys(settings.domain)
        self._stopping = asyncio.Event()
        identity = f"{settings.cluster}-{draw_id()}"
        self._wait_s = settings.retry_s
        self._lease = Leadership(cluster, clock, self._keys, settings.lease, identity)

    def stop(self) -> None:
        """Leave in good order; ``run`` returns then. (Cancelling it is as good as a crash.)"""
        self._stopping.set()

    async def run(self) -> None:
        """Stand by and lead, until stopped.

        Raises (in an exception group):
            LogLost: the log is another one, or shorter than what was known of it.
            BadSettings: the cluster's name belongs to another cluster.
        """
        with contextlib.suppress(_StoppedError):
            await self._unless_stopped(self._check_name())
        async with asyncio.TaskGroup() as tasks:
            always = [tasks.create_task(run()) for run in self._always]
            while not self._stopping.is_set():
                await self._term()
            for task in always:
                task.cancel()

    async def _check_name(self) -> None:
        """Before anything is done to a cluster: a wrong kubeconfig leads to somebody else's, whose
        own agent holds the Lease, so that ``join`` would not come to say so.
        """
        settings = self.settings
        while True:
            try:
                uid = await cluster_uid(self._cluster)
                return await check_name(self._log, settings.cluster, uid)
            except (Unavailable, ClusterError) as error:
                _logger.warning("cannot start yet: %s", error)
            await self._clock.sleep(settings.retry_s)

    async def _term(self) -> None:
        """Stand by, then lead once, and wait a while if that did not last."""
        settings, begun_s = self.settings, self._clock.monotonic()
        try:
            await self._unless_stopped(self._lease.acquire())
            await self._lead()
        except* _StoppedError:
            pass
        except* (Deposed, Unavailable, ClusterError) as group:
            for error in _leaves(group):
                _logger.warning("%s stands by again: %s", settings.cluster, error)
        except* LogLost:
            await self._lease.keep()  # or the next one would not know what is missing
            raise
        finally:
            self.member = None
        # Not when cancelled, or when an error ends the process: the Lease runs out then.
        await self._lease.release()
        if self._clock.monotonic() - begun_s > settings.retry_max_s:
            self._wait_s = settings.retry_s
        with contextlib.suppress(_StoppedError):
            await self._unless_stopped(self._clock.sleep(self._wait_s))
        self._wait_s = min(2 * self._wait_s, settings.retry_max_s)

    async def _lead(self) -> None:
        """One term: ends by an error, or when the agent is stopped."""
        async with asyncio.TaskGroup() as term:
            holding = term.create_task(self._lease.hold())
            logs = KnownLogs(self._log, self._lease, self._clock)
            await logs.check()
            epoch = await self._unless_stopped(self._join(logs))
            publisher = Publisher(
                logs.append,
                self._clock,
                self.settings.cluster,
                epoch.number,
                joined=epoch.digest,
                backlog_bytes=self.settings.backlog_bytes,
            )
            publishing = term.create_task(publisher.run())
            self.member = self._member(epoch, publisher, logs)
            serving = term.create_task(self._serve(self.member, epoch, logs))
            await self._stopping.wait()
            serving.cancel()
            await asyncio.wait({serving})
            with contextlib.suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(self.settings.leave_s):
                    await leave(publisher, "stopped")
                    await logs.check()  # the Lease shall know the log with our last words
            publishing.cancel()
            holding.cancel()

    async def _join(self, logs: KnownLogs) -> Epoch:
        event = ClusterJoined(
            id=self._draw_id(),
            uid=await cluster_uid(self._cluster),
            roles=self.settings.roles,
            kubernetes=await self._cluster.version(),
            version=mcs.__version__,
        )
        return await join(logs, self._clock, self.settings.cluster, event)

    def _member(self, epoch: Epoch, publisher: Publisher, logs: KnownLogs) -> Member:
        settings = self.settings
        nodes = Nodes(self._cluster, self._keys, self._clock)
        pods = Pods(self._cluster, self._keys, self._clock, virtual_nodes=nodes.virtual_names)
        standing = Standing(logs, identity=logs.identities[Stream.DECISIONS])
        told = None
        if TARGET in settings.roles:
            told = TargetLedger(logs, settings.cluster, identities=logs.identities)
        observer = Observer(
            publisher,
            self._clock,
            self._keys,
            nodes,
            pods,
            standing=standing,
            source=SOURCE in settings.roles,
            told=told,
            resync_every_s=settings.resync_every_s,
        )
        return Member(
            name=settings.cluster,
            keys=self._keys,
            settings=settings,
            cluster=self._cluster,
            log=logs,
            requests=self._requests,
            clock=self._clock,
            identities=logs.identities,
            epoch=epoch.number,
            publisher=publisher,
            nodes=nodes,
            pods=pods,
            standing=standing,
            observer=observer,
            lease=self._lease,
        )

    async def _serve(self, member: Member, epoch: Epoch, logs: KnownLogs) -> None:
        """All tasks of a leader."""
        name, settings, observer = member.name, self.settings, member.observer
        everybody = Follower(
            logs,
            Stream.DECISIONS,
            subjects.EVERYBODY,
            after=epoch.decisions,
            identity=logs.identities[Stream.DECISIONS],
        )
        beats = Heartbeats(member.publisher, observer, everybody, kubernetes=epoch.join.kubernetes)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(watch_succession(logs, name, epoch))
                tasks.create_task(watch_removal(everybody, name, epoch))
                tasks.create_task(logs.watch(settings.heartbeat_s))
                tasks.create_task(beats.run(self._clock, settings.heartbeat_s))
                tasks.create_task(answer_resyncs(self._requests, name, observer.ask))
                for service in self._services:
                    tasks.create_task(service(member))
                tasks.create_task(member.standing.run())
                tasks.create_task(observer.run())  # last: by now the others have subscribed
        finally:
            logs.note_read()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``. Raises _StoppedError: ``stop`` was called first."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _StoppedError
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)
