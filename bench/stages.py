"""Where a pod's time goes, from the log's own timestamps and from watches of both clusters.

webhook      asked for → the API server answered (plain pods take this step, too)
observe      created → ``proxy.observed`` is stored
decide       → ``pod.placed`` is stored
create       → the delegate is there
target bind  → the target's kube-scheduler has bound it
start        → its kubelet says Running
proxy bind   delegate bound → proxy bound
feedback     delegate Running → proxy Running
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.clusters import Seen
from bench.reporting import Report, median, percentile
from mcs.adapters.jetstream import JetStream, connect
from mcs.events import codec
from mcs.events.decisions import PodPlaced
from mcs.events.observations import ProxyObserved
from mcs.ports import Stream


class Trace:
    """Reads what is appended from now on."""

    def __init__(self, log: JetStream, after: Mapping[Stream, int]) -> None:
        self._log, self._after = log, after

    @classmethod
    async def begin(cls, url: str) -> Trace:
        """From the ends of the logs as they are. Close it."""
        log = await connect(url)
        return cls(log, {stream: (await log.info(stream)).last for stream in Stream})

    async def close(self) -> None:
        """Disconnect."""
        await self._log.close()

    async def times(self) -> tuple[dict[str, float], dict[str, float]]:
        """When each proxy was observed, and when it was placed, by its name (Unix seconds)."""
        observed: dict[str, float] = {}
        placed: dict[str, float] = {}
        for stream in Stream:
            last = (await self._log.info(stream)).last
            reader = await self._log.read(stream, after=self._after[stream])
            position = self._after[stream]
            while position < last:
                for stored in await reader.next(limit=1000):
                    position = stored.sequence
                    decode = codec.decode_decision
                    if stream is Stream.OBSERVATIONS:
                        decode = codec.decode_observation  # type: ignore[assignment]  # by stream
                    frame, _ = decode(stored.subject, stored.data)
                    for event in frame.events:
                        if isinstance(event, ProxyObserved):
                            observed.setdefault(event.name, stored.time_ns / 1e9)
                        elif isinstance(event, PodPlaced):
                            placed.setdefault(event.name, stored.time_ns / 1e9)
            await reader.close()
        return observed, placed


async def report_stages(
    report: Report,
    case: str,
    trace: Trace,
    *,
    answered: Mapping[str, tuple[float, float]],
    proxies: Mapping[str, Seen],
    delegates: Mapping[str, Seen],
) -> None:
    """Median and 90th percentile of each stage; ``answered``: when asked for and answered."""
    observed, placed = await trace.times()
    stages: dict[str, list[float]] = {}
    for name, (asked, done) in answered.items():
        proxy, delegate = proxies[name], delegates[name]
        for stage, begin, end in (
            ("webhook", asked, done),
            ("observe", proxy.created, observed.get(name)),
            ("decide", observed.get(name), placed.get(name)),
            ("create", placed.get(name), delegate.created),
            ("target bind", delegate.created, delegate.bound),
            ("start", delegate.bound, delegate.running),
            ("proxy bind", delegate.bound, proxy.bound),
            ("feedback", delegate.running, proxy.running),
        ):
            if begin is not None and end is not None:
                stages.setdefault(stage, []).append(max(0.0, end - begin) * 1000)
    for stage, values in stages.items():
        report.add(f"{case}: stage {stage}, p50", median(values), "ms")
        report.add(f"{case}: stage {stage}, p90", percentile(values, 90), "ms")
