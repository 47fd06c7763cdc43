"""Replaying and verifying a long stored log, beside only decoding its frames.

    python -m bench.replay [--short] [--events N] [--profile FILE]

The log (``bench.recorded``) is made once and kept in the temporary folder. It is read into memory
first; then the functions behind ``mcs status`` and ``mcs verify`` fold it through the in-memory
adapter, so that no disk and no server blurs the figures; seconds are those of the processor, since
nothing waits. The floor is msgspec decoding the same frames into the same structs, nothing else.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import time
from collections.abc import Callable

import msgspec

from bench.recorded import Recording, recorded
from bench.reporting import Report, arguments, median, say
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.names import Keys
from mcs.ports import Stream
from mcs.projections.state import State
from mcs.services.reading import Ends, fold
from mcs.services.verifying import verify

_observations = msgspec.json.Decoder(ObservationFrame)
_decisions = msgspec.json.Decoder(DecisionFrame)


def decode(recording: Recording) -> float:
    """Seconds to decode every frame."""
    began = time.process_time()
    for stored in recording.messages[Stream.OBSERVATIONS]:
        _observations.decode(stored.data)
    for stored in recording.messages[Stream.DECISIONS]:
        _decisions.decode(stored.data)
    return time.process_time() - began


def replay(recording: Recording) -> float:
    """Seconds to fold the log to its end, as ``mcs status`` does."""

    async def run() -> float:
        log, state = recording.broker().connect(), State()
        ends = await Ends.of(log)
        gc.collect()
        began = time.process_time()
        await fold(log, state, ends)
        return time.process_time() - began

    return asyncio.run(run())


def verified(recording: Recording) -> tuple[float, int, int]:
    """Seconds to verify the log, and how many decisions and cycles that were."""

    async def run() -> tuple[float, int, int]:
        log = recording.broker().connect()
        gc.collect()
        began = time.process_time()
        found = await verify(log, Keys(), now_s=0)
        seconds = time.process_time() - began
        assert found.whole, found.differences
        return seconds, found.counts.derived_decisions, found.counts.derived

    return asyncio.run(run())


def profiled(path: str, work: Callable[[], object]) -> None:
    """Run under cProfile, for ``python -m pstats`` or snakeviz."""
    profile = cProfile.Profile()
    profile.runcall(work)
    profile.dump_stats(path)
    say(f"profile in {path}")


def main() -> None:
    """Measure, print."""
    options = arguments(__doc__, events=1_000_000, profile="", rounds=3)
    events = 100_000 if options.short else options.events
    recording = recorded(events)
    if options.profile:
        profiled(options.profile, lambda: replay(recording))
        return
    rounds = range(options.rounds)
    pairs = [(decode(recording), replay(recording)) for _ in rounds]  # side by side
    floor, folded = (median(times) for times in zip(*pairs, strict=True))
    seconds, decisions, cycles = verified(recording)
    report = Report("replay")
    count = recording.events
    messages = sum(len(each) for each in recording.messages.values())
    report.add(f"fold {count:,} events", count / folded, "events/s", count / floor)
    report.add(f"fold {messages:,} frames", messages / folded, "frames/s", messages / floor)
    report.add("verify", decisions / seconds, "decisions/s")
    report.add("verify", cycles / seconds, "cycles/s")
    report.add("verify", count / seconds, "events/s", count / folded)
    report.show()


if __name__ == "__main__":
    main()
