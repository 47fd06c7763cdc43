"""Frames as stored → projections: events a second on one core, beside only decoding them.

    python -m bench.fold [--short] [--clusters 20] [--nodes 1000] [--pods 400000] [--events 1000000]

Every case is a list of messages in memory, folded in the order of history into a state that knows
its clusters already; what comes before the case is folded, and not timed. Seconds are those of the
processor, since nothing waits. The floor is msgspec decoding the same frames into the same structs,
and nothing else. The digest of the state, which each cycle needs, is settled once at the end of a
case and told apart.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

import msgspec

from bench import cases
from bench.cases import Case
from bench.profiling import Samples
from bench.reporting import Report, arguments, median, say
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.ports import Stored
from mcs.projections.state import State

_observations = msgspec.json.Decoder(ObservationFrame)
_decisions = msgspec.json.Decoder(DecisionFrame)


def decode(messages: Sequence[Stored]) -> float:
    """Seconds to decode every frame."""
    began = time.process_time()
    for stored in messages:
        if stored.subject.startswith("mcs.obs."):
            _observations.decode(stored.data)
        else:
            _decisions.decode(stored.data)
    return time.process_time() - began


def fold(state: State, messages: Sequence[Stored]) -> float:
    """Seconds to fold messages."""
    began = time.process_time()
    for stored in messages:
        if stored.subject.startswith("mcs.obs."):
            state.observe(stored.sequence, stored.subject, stored.time_ns, stored.data)
        else:
            frame = _decisions.decode(stored.data)
            state.decide(stored.sequence, stored.subject, stored.data, frame)
    return time.process_time() - began


def measure(report: Report, case: Case, rounds: int) -> None:
    """Fold and decode in turns; the digest, and a profile, of one round more."""
    timed = case.messages[case.before :]
    folds, floors, digests = [], [], []
    for _ in range(rounds):
        state = State()
        fold(state, case.messages[: case.before])
        state.digest()
        gc.collect()
        floors.append(decode(timed))
        folds.append(fold(state, timed))
        began = time.process_time()
        state.digest()
        digests.append(time.process_time() - began)
    floor = case.events / median(floors)
    report.add(case.name, case.events / median(folds), "events/s", floor)
    together = [one + other for one, other in zip(folds, digests, strict=True)]
    report.add(f"{case.name}, and the digest", case.events / median(together), "events/s", floor)
    state = State()
    fold(state, case.messages[: case.before])
    with Samples() as samples:
        fold(state, timed)
    samples.report(report, case.name)


def main() -> None:
    """All cases, one after the other."""
    options = arguments(__doc__, clusters=20, nodes=1000, pods=400_000, events=1_000_000, rounds=3)
    if options.short:
        options.clusters, options.nodes, options.pods = 10, 200, 40_000
        options.events, options.rounds = 60_000, 1
    size = (options.clusters, options.nodes)
    makers: list[Callable[[], Case]] = [
        lambda: cases.nodes(*size),
        lambda: cases.pods(*size, options.pods, columns=False),
        lambda: cases.pods(*size, options.pods, columns=True),
        lambda: cases.changes(*size, options.events),
        lambda: cases.lives(options.clusters, min(50, options.nodes), options.events // 4),
        lambda: cases.mixed(options.events),
    ]
    report = Report("fold")
    for make in makers:
        case = make()
        say(f"{case.name}: {case.events:,} events in {len(case.messages) - case.before:,} frames")
        measure(report, case, options.rounds)
    report.show()


if __name__ == "__main__":
    main()
