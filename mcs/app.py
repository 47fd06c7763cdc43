"""Composition root: the only place, beside the demo, that knows every part.

It turns what the command line was given into adapters, hands these to services, and sees to it that
a process stops in good order: the first SIGTERM or Ctrl-C lets it say goodbye (an agent appends
``ClusterLeft``), the second ends it at once. What a command does not need is not imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from mcs.errors import BadSettings, NoStream, Unavailable
from mcs.names import Keys
from mcs.ports import Stream
from mcs.settings import SOURCE, AgentSettings, SchedulerSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from mcs.adapters.jetstream import JetStream
    from mcs.events.seals import Seal
    from mcs.ports import Cluster, EventLog, Snapshots
    from mcs.services.policies import Policies
    from mcs.services.registration import Registration
    from mcs.services.webhook import Webhook

T = TypeVar("T")
_logger = logging.getLogger(__name__)
_LOOK_S = 1.0  # between two attempts to reach NATS, each of which takes some seconds itself


class LogSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is, and who we are there; ``folder`` (an exported log) wins over ``demo_dir``,
    and that over ``url``.
    """

    url: str
    folder: str = ""
    demo_dir: str = ""
    creds: str = ""
    nkey: str = ""
    user: str = ""
    password: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process shows itself. ``metrics_port`` 0: not at all."""

    metrics_port: int = 0
    log_format: str = "plain"
    log_level: str = "info"


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook: how API servers reach it (``url``, else ``service`` in the agent's namespace),
    where it listens, and the Secret with its certificate.
    """

    url: str = ""
    service: str = "mcs-agent"
    port: int = 9443
    secret: str = "mcs-webhook"  # noqa: S105 (a Secret's name)
    own_certificate: bool = True
    env_refused: str = ""


class AgentRun(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``mcs agent`` was told; without kubeconfig and context, as kubectl finds them."""

    source: LogSource
    settings: AgentSettings
    webhook: WebhookSettings = WebhookSettings()
    process: ProcessSettings = ProcessSettings()
    kubeconfig: str | None = None
    context: str | None = None


@contextlib.asynccontextmanager
async def open_log(source: LogSource, *, name: str) -> AsyncGenerator[EventLog, None]:
    """The log to be read: live, or an exported one; ``name`` is what NATS' monitoring shows.

    Raises:
        BadSettings, Unavailable: as ``open_nats``; or a folder that holds no exported log.
        LogLost: the exported log is damaged.
    """
    if not source.folder:
        async with open_nats(source, name=name) as live:
            yield live
        return
    from mcs.adapters.files import open_folder

    log = open_folder(Path(source.folder))
    try:
        yield log
    finally:
        await log.close()


def snapshots_beside(source: LogSource, log: EventLog) -> Snapshots | None:
    """The saved states beside a live log, opened from ``source``; an exported one has none."""
    if source.folder:
        return None
    from mcs.adapters.jetstream import JetStream
    from mcs.adapters.jetstream_snapshots import JetStreamSnapshots

    return JetStreamSnapshots(log.connection) if isinstance(log, JetStream) else None


def seal_beside(log: EventLog) -> Seal | None:
    """The digest that an exported log's manifest keeps of it; a live log has none beside it.

    Raises:
        LogLost: the manifest is damaged.
    """
    from mcs.adapters.files import FolderLog

    return log.seal if isinstance(log, FolderLog) else None


@contextlib.asynccontextmanager
async def open_nats(source: LogSource, *, name: str) -> AsyncGenerator[JetStream, None]:
    """A connection to the live log; ``name`` is what NATS' monitoring shows.

    Raises:
        BadSettings: a wrong URL, file or folder, or refused credentials.
        Unavailable: no NATS answers; the message says what to check.
    """
    from mcs.adapters.jetstream import connect
    from mcs.adapters.jetstream_login import Login

    login = Login(
        creds_file=source.creds,
        nkey_file=source.nkey,
        user=source.user,
        password=source.password,
        tls_ca=source.ca,
        tls_cert=source.cert,
        tls_key=source.key,
    )
    async with contextlib.AsyncExitStack() as stack:
        url = source.url
        if source.demo_dir:
            from mcs.demo.folder import newest_run, serve_run

            run = newest_run(Path(source.demo_dir))
            url, login = await stack.enter_async_context(serve_run(run)), Login()
        log = await connect(url, login=login, name=name)
        try:
            yield log
        finally:
            await log.close()


def run_scheduler(source: LogSource, settings: SchedulerSettings, process: ProcessSettings) -> None:
    """``mcs scheduler``: until stopped; waits for NATS. Raises LogLost, BadSettings."""
    main = functools.partial(_scheduler, source, settings, process)
    _run(main, process, "scheduler")


def run_agent(run: AgentRun) -> None:
    """``mcs agent``: until stopped; waits for NATS. Raises LogLost, BadSettings."""
    _run(functools.partial(_agent, run), run.process, run.settings.cluster)


def _run(main: Callable[..., object], process: ProcessSettings, name: str) -> None:
    from mcs.adapters.process import configure_logging, run_until_signalled

    configure_logging(form=process.log_format, level=process.log_level, cluster=name)
    asyncio.run(run_until_signalled(main))  # type: ignore[arg-type]  # partials of coroutines


async def _scheduler(
    source: LogSource, settings: SchedulerSettings, process: ProcessSettings, stop: asyncio.Event
) -> None:
    from prometheus_client import CollectorRegistry

    from mcs.adapters.branching import ForkBranch
    from mcs.adapters.clock import SystemClock
    from mcs.adapters.jetstream_snapshots import JetStreamSnapshots
    from mcs.adapters.metering import MeteredLog, meter_state
    from mcs.adapters.process import keep_what_is_there
    from mcs.projections.state import State
    from mcs.services.scheduler import Scheduler

    registry, clock, empty = CollectorRegistry(), SystemClock(), State()
    scheduler: Scheduler | None = None

    def state() -> State:
        return scheduler.state if scheduler else empty

    def missing() -> str:
        if scheduler is None:
            return "NATS does not answer yet"
        return "" if scheduler.state.reign else "starting"

    async with contextlib.AsyncExitStack() as stack:
        meter_state(state, clock, registry)
        await _show(stack, process, registry, missing)
        log = await _unless(stop, _log_when_there(stack, source, "mcs scheduler"))
        if log is None:
            return
        metered = MeteredLog(log, clock, registry)
        snapshots = JetStreamSnapshots(log.connection)
        scheduler = Scheduler(
            metered,
            log,
            clock,
            settings,
            draw_id=_draw_id,
            snapshots=snapshots,
            branch=ForkBranch(),
            on_active=keep_what_is_there,
        )
        keep_what_is_there()
        running = asyncio.create_task(scheduler.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _log_when_there(
    stack: contextlib.AsyncExitStack, source: LogSource, name: str
) -> JetStream:
    """A connection to the log, however late NATS starts and its streams are made: nothing has to
    be started in an order.

    Raises:
        BadSettings: no connection is possible.
        LogLost: a stream is there, and not whole.
    """
    log: JetStream | None = None
    said = ""
    while True:
        try:
            if log is None:
                log = await stack.enter_async_context(open_nats(source, name=name))
            for stream in Stream:
                await log.info(stream)
        except (Unavailable, NoStream) as error:
            if str(error) != said:
                _logger.warning("waiting for NATS: %s", error)
            said = str(error)
        else:
            return log
        await asyncio.sleep(_LOOK_S)


@contextlib.asynccontextmanager
async def _cluster(kubeconfig: str | None, context: str | None) -> AsyncGenerator[Cluster, None]:
    from mcs.adapters.kubernetes import connect

    cluster = await connect(kubeconfig=kubeconfig, context=context)
    try:
        yield cluster
    finally:
        await cluster.close()


async def _agent(run: AgentRun, stop: asyncio.Event) -> None:
    from prometheus_client import CollectorRegistry

    from mcs.adapters.clock import SystemClock
    from mcs.adapters.metering import MeteredCluster, MeteredLog
    from mcs.adapters.process import keep_what_is_there
    from mcs.services.agent import Agent
    from mcs.services.duties import duties

    registry, clock, settings = CollectorRegistry(), SystemClock(), run.settings
    async with contextlib.AsyncExitStack() as stack:
        access = await stack.enter_async_context(_cluster(run.kubeconfig, run.context))
        name = f"mcs agent {settings.cluster}"
        log = await _unless(stop, _log_when_there(stack, run.source, name))
        if log is None:
            return
        cluster = MeteredCluster(access, registry)
        admission = None
        if SOURCE in settings.roles:
            setting_up = _admission(stack, cluster, settings, run.webhook)
            admission = await _unless(stop, setting_up)
            if admission is None:
                return
        agent = Agent(
            settings,
            cluster=cluster,
            log=MeteredLog(log, clock, registry),
            requests=log,
            clock=clock,
            draw_id=_draw_id,
            services=duties(admission.policies if admission else None),
            always=[admission.webhook.run] if admission else [],
        )
        ready = admission.missing if admission else lambda: ""
        await _show(stack, run.process, registry, ready)
        keep_what_is_there()
        running = asyncio.create_task(agent.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        agent.stop()
        stopping.cancel()
        await running


async def _unless(stop: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """The result of ``work``, or None if the process is told to stop first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait({working})
    return None


class Admission(NamedTuple):
    """What a source does for its API server's admission."""

    webhook: Webhook
    registration: Registration
    policies: Policies

    def missing(self) -> str:
        """Why no pod can be elected yet, or nothing."""
        return "" if self.registration.registered else "the webhook is not registered yet"


async def _admission(
    stack: contextlib.AsyncExitStack,
    cluster: Cluster,
    settings: AgentSettings,
    webhook: WebhookSettings,
) -> Admission:
    """The webhook's server, its certificate and registration, and the policies."""
    from mcs.adapters.certificates import OwnAuthority
    from mcs.adapters.clock import SystemClock
    from mcs.adapters.webhook_server import WebhookServer
    from mcs.objects.admission import Rules
    from mcs.objects.registration import Service, Url
    from mcs.objects.reviewing import review
    from mcs.services.certificates import Certificates
    from mcs.services.identity import whoami
    from mcs.services.policies import Policies
    from mcs.services.registration import Registration
    from mcs.services.webhook import Webhook

    keys, rules = Keys(settings.domain), Rules(env_refused=webhook.env_refused)
    namespace, clock = settings.lease.namespace, SystemClock()
    service = Service(namespace=namespace, name=webhook.service)
    at: Url | Service = Url(webhook.url) if webhook.url else service
    hosts = (_host(webhook.url),) if webhook.url else service.hosts
    server = WebhookServer(lambda body: review(body, keys, rules), port=webhook.port)
    await stack.enter_async_context(server)
    certificates = Certificates(
        cluster,
        clock,
        OwnAuthority(hosts) if webhook.own_certificate else None,
        namespace=namespace,
        name=webhook.secret,
    )
    registration = Registration(cluster, keys, user=await whoami(cluster, clock), at=at)
    return Admission(
        Webhook(server, certificates, registration, clock),
        registration,
        Policies(registration, clock, keys),
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise BadSettings(
            f"--webhook-url {url!r}: give https://HOST:PORT as the API server sees it"
        )
    return parts.hostname


async def _show(
    stack: contextlib.AsyncExitStack,
    process: ProcessSettings,
    registry: CollectorRegistry,
    ready: Callable[[], str],
) -> None:
    if process.metrics_port:
        from prometheus_client import disable_created_metrics

        from mcs.adapters.health_server import health_server

        disable_created_metrics()  # type: ignore[no-untyped-call]  # each counter's birthday
        server = health_server(process.metrics_port, registry, ready=ready)
        await stack.enter_async_context(server)


def _draw_id() -> str:
    return uuid.uuid4().hex
