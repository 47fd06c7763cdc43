"""One chaos run: a plan carried out against a federation, then the verdict on what is left.

A failure tells the seed, the plan, and the folder to which the logs and NATS' stores were copied
before the federation went away.
"""

import asyncio
import collections
import contextlib
import gc
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import nats

from tests.chaos import verdict
from tests.chaos.eavesdropper import Eavesdropper, digest_of
from tests.chaos.supervision import Supervisor, parts_of
from tests.chaos.traffic import Traffic
from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log
from tests.kubernetes.sightings import Sightings

SETTLED_S = 240.0  # a create of a dead agent's that may still be on its way is waited for 65 s
DECIDED_S = 30.0
THREADS = 64  # requests to API servers that are paused hold one each


class Run:
    """A plan, and everything that watches it being carried out."""

    def __init__(self, federation, plan, namespace):
        self.plan = plan
        self.federation = federation
        self.hidden = f"hidden-{Random(plan.seed).getrandbits(128):x}"
        self.sightings = Sightings(federation.planes)
        self.supervisor = Supervisor(federation, parts_of(federation))
        self.eavesdropper = Eavesdropper(federation.nats.url)
        self.planted = {}  # kind of bad frame by its digest
        self.traffic = Traffic(
            federation, self.sightings, namespace, plan.births, hidden=self.hidden
        )

    async def carry_out(self):
        """The faults under the stream of pods, and the verdict; what there is to report."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        await opt_in(self.federation, self.traffic.namespace)
        self.sightings.begin()
        await self.eavesdropper.begin()
        try:
            begun_s = time.monotonic()

            def clock():
                return time.monotonic() - begun_s

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.traffic.run(clock))
                tasks.create_task(self.supervisor.run(self.plan.faults, clock))
                tasks.create_task(self._poison(clock))
            healed_s = clock()
            await self._settle()
            settled_s = clock() - healed_s
            return await self._judge() | {"settled after": f"{settled_s:.0f} s"}
        finally:
            await self.eavesdropper.end()
            self.sightings.end()
            await sweep()

    async def _settle(self):
        """Everything reaches its end: what can run runs, what is deleted goes, the rest waits."""
        impossible = {birth.name for birth in self.plan.births if birth.impossible}
        await self._wait("settled", impossible)
        await verdict.check_nobody_else_is_delayed(self.federation, self.traffic)
        lives = {life.uid for life in self.traffic.lives() if life.name in impossible}
        waiting = {uid for uid in lives if not self.sightings.lives[uid].gone}
        await self._check_waiting(waiting)
        left = [life for life in self.traffic.lives() if not life.ended and not life.gone]
        await asyncio.gather(*(self.traffic.delete(life.name) for life in left))
        await self._wait("all gone", set())

    async def _wait(self, what, impossible):
        found = []

        async def settled():
            found[:] = await verdict.problems(
                self.federation, self.sightings, self.traffic, impossible
            )
            return not found

        try:
            await self.federation.wait(what, settled, SETTLED_S)
        except TimeoutError as error:
            error.add_note("\n".join(found))
            raise

    async def _check_waiting(self, waiting):
        """Again for a while: the log may hold news about which the scheduler is to decide yet."""
        deadline = time.monotonic() + DECIDED_S
        while True:
            state = await check_log(self.federation, parked=await self._parked())
            try:
                return verdict.check_waiting(state, waiting)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def _judge(self):
        federation = self.federation
        acknowledged = dict(self.eavesdropper.acknowledged)  # heartbeats go on while we read
        messages = await verdict.stored(federation)
        findings = self.supervisor.findings()
        assert not findings, "\n\n".join(findings)
        compared = verdict.check_acknowledged(acknowledged, self.eavesdropper.doubly, messages)
        repeated = verdict.check_writers(messages, self.planted)
        state = await check_log(federation, parked=await self._parked())
        check_lives(
            self.sightings,
            state,
            namespace=self.traffic.namespace,
            deleted=self.traffic.deleted,
        )
        await verdict.check_hidden(federation, messages, self.hidden)
        verified = await federation.mcs("verify")
        hits = collections.Counter(f"{each.part} {each.how}" for each in self.plan.faults)
        lives = self.traffic.lives()
        return {
            "faults": self.supervisor.committed,
            "hits": ", ".join(f"{what} x{count}" for what, count in sorted(hits.items())),
            "pods": len(lives),
            "deleted by their author": len(self.traffic.deleted),
            "ended by themselves": sum(life.ended for life in lives),
            "delegates seen": len(self.sightings.delegates()),
            "bad frames": len(self.plan.poisons),
            "reigns": state.reigns,
            "messages": len(messages),
            "acknowledgements compared": compared,
            "frames stored twice by a retry": repeated,
            "restarts by themselves": len(self.supervisor.endings),
            "mcs verify": verified.strip().splitlines()[-1],
        }

    async def _parked(self):
        """How many bad frames the log holds that have to be parked (replayed ones are ignored)."""
        messages = await verdict.stored(self.federation)
        found = [self.planted.get(digest_of(each.subject, each.data)) for each in messages.values()]
        return sum(kind in {"garbage", "misrouted"} for kind in found)

    async def _poison(self, clock):
        """Put bad frames into the log, as a broken or a hostile agent would."""
        client = await nats.connect(
            self.federation.nats.url.split(","),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )
        for number, poison in enumerate(self.plan.poisons):
            await asyncio.sleep(max(0.0, poison.at_s - clock()))
            subject, data, kind = self._bad(poison.kind, number)
            if kind != "replayed":  # which is a genuine frame by its looks
                self.planted[digest_of(subject, data)] = kind
            with contextlib.suppress(nats.errors.Error):
                await client.publish(subject, data)
        with contextlib.suppress(nats.errors.Error, OSError):
            await client.close()

    def _bad(self, kind, number):
        """Subject and bytes of a bad frame, and its kind; garbage, if nothing better was heard."""
        heard = self.eavesdropper.frames
        foreign = [data for subject, data in heard if ".c1." in subject]
        if kind == "replayed" and heard:
            return *heard[number % len(heard)], kind
        if kind == "misrouted" and foreign:
            return "mcs.obs.c2.capacity", foreign[number % len(foreign)], kind
        return "mcs.obs.c2.capacity", b"garbage %d {" % number, "garbage"


async def sweep():
    """Close what nats-py leaves open when a server freezes while it connects."""
    for each in gc.get_objects():
        if isinstance(each, asyncio.BaseTransport) and not each.is_closing():
            each.close()
    await asyncio.sleep(0.1)  # transports close in later turns of the loop


async def _ignore(_error):
    """Connections break here all the time."""


@contextlib.asynccontextmanager
async def evidence(federation, plan):
    """Keeps the logs of a run that fails, and says where they are."""
    try:
        yield
    except BaseException as error:
        folder = Path(tempfile.mkdtemp(prefix="mcs-chaos-"))
        shutil.copytree(federation.folder, folder / "mcs", dirs_exist_ok=True)
        for name, plane in federation.planes.items():
            (folder / name).mkdir()
            for file in plane.folder.glob("*.log"):
                shutil.copy(file, folder / name)
        error.add_note(f"The plan was {plan}")
        error.add_note(f"Logs and NATS' stores: {folder}; again by MCS_CHAOS_SEED={plan.seed}")
        raise
