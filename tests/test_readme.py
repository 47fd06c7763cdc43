"""The excerpt of the log in the README is what mcs prints for such events."""

import re
from pathlib import Path

from mcs.events import codec
from mcs.events.decisions import Lacks, PodDeferred, PodPlaced
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateObserved, Phase, ProxyObserved
from mcs.ports import Stored
from mcs.views.lines import Teller, sentence
from mcs.views.words import plain

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"^(\d\d):(\d\d):(\d\d)\.(\d{3})  (?:obs|dec) (\d+) ", re.MULTILINE)
POD = {"uid": "u", "namespace": "default", "name": "elected-step-10"}
CPU = {"cpu": 200}
ROUTE = {"source": "cluster1", "target": "cluster2"}
FULL = {name: Lacks(resource="cpu") for name in ("cluster1", "cluster2")}


def proxy(**fields):
    event = ProxyObserved(**POD, created="", manifest="{}", requests=CPU, **fields)
    frame = ObservationFrame(source="cluster1", channel="proxy", events=(event,))
    return "mcs.obs.cluster1.proxy", frame


def delegate(phase, node="cluster2-n1"):
    name = "cluster1-default-elected-step-10"
    event = DelegateObserved(
        placement="u.1", namespace="default", name=name, uid="d", phase=phase, node=node
    )
    frame = ObservationFrame(source="cluster2", channel="delegate.cluster1", events=(event,))
    return "mcs.obs.cluster2.delegate.cluster1", frame


def decision(subject, event):
    chain = {"previous": "", "observed": "", "state": ""}
    return subject, DecisionFrame(reign=1, cycle=1, based_on=1, events=(event,), **chain)


def story():
    """A pod that waits, is placed in another cluster, runs and ends."""
    placed = {"placement": "u.1", "delegate": "d", "manifest": "{}", "node": "cluster2-n1"}
    return [
        proxy(),
        decision("mcs.dec._.cluster1", PodDeferred(**POD, source="cluster1", reasons=FULL)),
        decision("mcs.dec.cluster2.cluster1", PodPlaced(**POD, **ROUTE, **placed, requests=CPU)),
        delegate(Phase.PENDING, node=""),
        delegate(Phase.PENDING),
        delegate(Phase.RUNNING),
        delegate(Phase.SUCCEEDED),
        proxy(ended=True),
    ]


def test_the_excerpt_of_the_log_is_what_mcs_prints():
    excerpt = [line for line in README.read_text().splitlines() if PLACE.match(line)]
    teller, printed = Teller(), []
    for line, (subject, frame) in zip(excerpt, story(), strict=True):
        *clock, sequence = map(int, PLACE.match(line).groups())
        hours, minutes, seconds, milliseconds = clock
        time_ns = ((hours * 60 + minutes) * 60 + seconds) * 10**9 + milliseconds * 10**6
        stored = Stored(sequence, subject, time_ns, codec.encode(frame))
        printed += [plain(sentence(told)) for told in teller.lines(stored)]

    assert printed == excerpt
