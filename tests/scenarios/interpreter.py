"""What the inputs of a scenario mean, sentence by sentence.

``python -m tests.scenarios.interpreter FILE…`` prints what follows today.
"""

import logging
import re
import sys
from pathlib import Path

from mcs.adapters.memory_log import Fate
from mcs.errors import ClusterError, Forbidden
from mcs.events import codec, subjects
from mcs.events.frames import ObservationFrame
from mcs.events.observations import OperatorCommanded, Verb
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, OPERATOR, Keys
from mcs.objects.kinds import NAMESPACES, NODES, PODS
from mcs.ports import Patch
from mcs.services.verifying import verify
from mcs.simulation.kubelet import EXIT_CODE, RUN_FOR
from mcs.simulation.loop import run_virtually
from tests.scenarios import dialogue, telling
from tests.scenarios.federation import Federation

KEYS = Keys()
SENTENCES = []
FATES = {"is lost": Fate.LOST, "gets no answer": Fate.ANSWER_LOST}


def says(pattern):
    """The method is what a sentence means; angles stand for a word, three dots for the rest."""
    words = re.sub(r"(?<!P)<(\w+)>", r"(?P<\1>\\S+)", pattern).replace("...", r"(?P<rest>.*)")

    def keep(method):
        SENTENCES.append((re.compile(words), method))
        return method

    return keep


class Interpreter:
    """Carries out inputs on a federation."""

    def __init__(self):
        self.federation = Federation()
        self._orders = 0
        self._muted = False

    async def play(self, block):
        """Do what the inputs say; the lines to be told."""
        federation = self.federation
        self._muted = False
        begun = federation.clock.monotonic()
        for line in block.inputs:
            await self._do(line)
        if not block.inputs[-1].startswith("wait "):
            await federation.quiet()
        told, federation.told[:] = list(federation.told), []
        if self._muted:
            told = [(at_s, columns) for at_s, columns in told if columns[0] == "!"]
        return list(_lines(told, begun)) or ["all have joined" if self._muted else "nothing"]

    async def _do(self, line):
        for pattern, method in SENTENCES:
            if match := pattern.fullmatch(line):
                await method(self, **match.groupdict())
                return
        raise ValueError(f"what does {line!r} mean?")

    def _site(self, name):
        return self.federation.sites[name].cluster

    def _process(self, name):
        return self.federation.processes[name]

    # -- the stage -----------------------------------------------------------------------------

    @says(r"cluster <name>: <count> nodes? of <cpu> cpu(?P<by_hand>, run by hand)?")
    async def _cluster(self, name, count, cpu, by_hand):
        site = await self.federation.add_site(name)
        for _ in range(int(count)):
            await site.add_node(cpu, driven=not by_hand)

    @says(r"all start")
    async def _all_start(self):
        """A scheduler and every cluster's agent; how they join is another story."""
        self._muted = True
        for name in ("scheduler-1", *(f"agent {name}" for name in self.federation.sites)):
            self.federation.process(name).start()

    @says(r"start ...")
    async def _start(self, rest):
        self.federation.process(rest).start()

    @says(r"tell of full accounts, too")
    async def _accounts(self):
        self.federation.accounts = True

    @says(r"wait <seconds>s")
    async def _wait(self, seconds):
        await self.federation.clock.sleep(float(seconds))

    # -- what users and people do --------------------------------------------------------------

    @says(r"create <cluster> <pod>( (?P<rest>.*))?")
    async def _create(self, cluster, pod, rest):
        namespace, name = pod.split("/")
        options = dict(option.split("=") for option in (rest or "").split())
        try:
            manifest = _manifest(name, options)
            await self._site(cluster).create(PODS, manifest, namespace=namespace)
        except ClusterError as error:
            self.federation.tell("!", cluster, f"refuses {pod}: {error}")
        assert not options, f"unknown options: {options}"

    @says(r"delete <cluster> <pod>( grace=(?P<grace>\d+)s)?")
    async def _delete(self, cluster, pod, grace):
        namespace, name = pod.split("/")
        grace_s = int(grace) if grace else None
        await self._site(cluster).delete(PODS, name, namespace=namespace, grace_s=grace_s)

    @says(r"ungate <cluster> <pod>")
    async def _ungate(self, cluster, pod):
        namespace, name = pod.split("/")
        patch = {"spec": {"schedulingGates": None}}
        await self._site(cluster).patch(PODS, name, patch, namespace=namespace)

    @says(r"show <cluster> <pod>")
    async def _show(self, cluster, pod):
        await self.federation.quiet()
        namespace, name = pod.split("/")
        found = await self._site(cluster).read(PODS, name, namespace=namespace)
        self.federation.tell("see", cluster, telling.pod(found))

    @says(r"parked")
    async def _parked(self):
        """What the active scheduler could not read."""
        for name, process in self.federation.processes.items():
            if name.startswith("scheduler") and process.service.active:
                for kind, parked in sorted(process.service.state.parked.items()):
                    self.federation.tell("see", name, f"parked {parked.count}: {kind}")

    @says(r"add node <cluster> of <cpu> cpu")
    async def _add_node(self, cluster, cpu):
        await self.federation.sites[cluster].add_node(cpu)

    @says(r"cordon node <cluster>/<node>")
    async def _cordon_node(self, cluster, node):
        await self._site(cluster).patch(NODES, node, {"spec": {"unschedulable": True}})

    @says(r"namespace <cluster>/<name> opts in")
    async def _namespace(self, cluster, name):
        labels = {NAMESPACE_LABEL: NAMESPACE_ENABLED}
        manifest = {"metadata": {"name": name, "labels": labels}}
        await self._site(cluster).create(NAMESPACES, manifest)

    @says(r"quota: no pods in <cluster>")
    async def _quota(self, cluster):
        def full(request):
            if request.verb == "create" and request.kind is PODS and not request.subresource:
                raise Forbidden("exceeded quota: pods=0", code=403, reason="Forbidden")

        self._site(cluster).validators.append(full)

    @says(r"quota: lifted in <cluster>")
    async def _lifted(self, cluster):
        self._site(cluster).validators.clear()

    @says(r"kubelet <cluster> <pod>: <phase>(?P<rest>( \S+)*)")
    async def _kubelet(self, cluster, pod, phase, rest):
        """``setup=exit:0 main=running helper=waiting:PodInitializing``."""
        namespace, name = pod.split("/")
        site = self._site(cluster)
        found = await site.read(PODS, name, namespace=namespace)
        status = {"phase": phase, "startTime": "2026-01-01T00:00:00Z"}
        told = dict(word.split("=") for word in rest.split())
        for group in ("initContainers", "containers"):
            names = [item["name"] for item in found["spec"].get(group) or ()]
            status[f"{group[:-1]}Statuses"] = [
                _container_status(each, told[each]) for each in names if each in told
            ]
        patch = {"status": status}
        await site.patch(
            PODS, name, patch, namespace=namespace, subresource="status", type=Patch.STRATEGIC
        )

    @says(r"mcs cluster (?P<verb>cordon|uncordon|remove) <name>( --confirm-dead)?")
    async def _order(self, verb, name):
        self._command(OperatorCommanded(id=self._id(), verb=Verb(verb), cluster=name))

    @says(r"mcs release <cluster>/<namespace>/<name>")
    async def _release(self, cluster, namespace, name):
        order = OperatorCommanded(
            id=self._id(), verb=Verb.RELEASE, cluster=cluster, namespace=namespace, name=name
        )
        self._command(order)

    def _id(self):
        self._orders += 1
        return f"order-{self._orders}"

    def _command(self, order):
        frame = ObservationFrame(source=OPERATOR, channel=order.verb, events=(order,))
        self.federation.broker.store([(subjects.operator(order.verb), codec.encode(frame))])

    # -- accidents -----------------------------------------------------------------------------

    @says(r"kill (?P<name>scheduler-\d|agent \S+)")
    async def _kill(self, name):
        self._process(name).kill()

    @says(r"stop agent <name>")
    async def _stop(self, name):
        self._process(f"agent {name}").service.stop()

    @says(r"cut (?P<name>scheduler-\d|agent \S+) off from NATS")
    async def _cut(self, name):
        self._process(name).wire.connection.cut()

    @says(r"(?P<name>scheduler-\d|agent \S+) reaches NATS again")
    async def _mend(self, name):
        self._process(name).wire.connection.mend()

    @says(r"agent <name> dies when it has created a pod, before the answer")
    async def _dies_creating(self, name):
        process = self._process(f"agent {name}")
        process.life.at_create = lambda: self.federation.tell("!", process.name, "is killed")

    @says(
        r"(?P<name>scheduler-\d): its next <tag> (?P<fate>is lost|gets no answer)"
        r"(?P<dies>, and it dies)?"
    )
    async def _fate(self, name, tag, fate, dies):
        self._process(name).life.at_append = (f'"{tag}"', FATES[fate], bool(dies))

    @says(r"the next frame on (?P<cluster>\w+)\.<channel> arrives garbled")
    async def _garbled(self, cluster, channel):
        self._process(f"agent {cluster}").wire.garble(channel)

    @says(r"the next frame on (?P<cluster>\w+)\.<channel> also holds a <tag>, of a newer agent")
    async def _newer(self, cluster, channel, tag):
        self._process(f"agent {cluster}").wire.add(channel, tag)


def _manifest(name, options):
    """A user's pod; takes what it knows from ``options``."""
    annotations = {KEYS.elect: ""} if options.pop("elected", "yes") == "yes" else {}
    if "only" in options:
        annotations[KEYS.clustername] = options.pop("only")
    if "for" in options:
        annotations[RUN_FOR] = options.pop("for").removesuffix("s")
    if "exit" in options:
        annotations[EXIT_CODE] = options.pop("exit")
    requests = {"cpu": options.pop("cpu", "200m")}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5}
    if "gate" in options:
        spec["schedulingGates"] = [{"name": options.pop("gate")}]
    if "node" in options:
        spec["nodeName"] = options.pop("node")
    if "init" in options:
        spec["initContainers"] = [_container(each) for each in options.pop("init").split(",")]
    spec["containers"] = [_container("main") | {"resources": {"requests": requests}}]
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


def _container(name):
    """An init container, or with a ``+`` behind its name a sidecar."""
    sidecar = {"restartPolicy": "Always"} if name.endswith("+") else {}
    return {"name": name.rstrip("+"), "image": "busybox", **sidecar}


def _container_status(name, told):
    word, _, more = told.partition(":")
    now = "2026-01-01T00:00:00Z"
    states = {
        "waiting": {"waiting": {"reason": more}},
        "running": {"running": {"startedAt": now}},
        "exit": {
            "terminated": {
                "exitCode": int(more or 0) if word == "exit" else 0,
                "startedAt": now,
                "finishedAt": now,
            }
        },
    }
    running = word == "running"
    return {
        "name": name,
        "state": states[word],
        "ready": running,
        "started": running,
        "restartCount": 0,
        "image": "busybox",
        "imageID": "",
    }


def _lines(told, begun):
    """Columns, aligned, with the second at which they came where it changed."""
    width = max((len(columns[1]) for _, columns in told), default=0)
    shown = None
    for at_s, (word, about, text) in told:
        second = int(at_s - begun + 1e-6)
        time = f"{second}s" if second != shown else ""
        shown = second
        yield f"{time:>5}  {word:<3} {about:<{width}}  {text}"


def play(text):
    """A scenario's text as it is today. Raises AssertionError: `mcs verify` finds its log wrong."""
    blocks = dialogue.parse(text)

    async def story():
        interpreter = Interpreter()
        federation = interpreter.federation
        answered = [block.answered(await interpreter.play(block)) for block in blocks]
        log = federation.broker.connect()
        findings = await verify(log, KEYS, now_s=federation.clock.now())
        assert findings.differences == [], findings.differences
        assert findings.counts.derived, "no cycle was decided again"
        await federation.close()
        return answered

    return dialogue.render(run_virtually(story()))


if __name__ == "__main__":
    logging.disable()  # the dialogue tells it all
    for name in sys.argv[1:]:
        sys.stdout.write(play(Path(name).read_text()))
