"""Where the time of a hot loop goes, by samples: which function runs when the processor's timer
rings.

A tracing profiler makes each call dearer, so a loop of many small calls looks other than it is;
samples cost nothing between them. Time inside C (numpy, msgspec, hashing) counts for the Python
function that called it.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Final, Self

from bench.reporting import PROFILE, Report

_INTERVAL_S: Final = 0.002
_SHOWN: Final = 10


class Samples:
    """A context manager, for the main thread; may be entered again, and counts on."""

    def __init__(self) -> None:
        self.functions: Counter[str] = Counter()
        self._stacks: Counter[tuple[str, ...]] = Counter()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.functions.total()

    def shares(self, stages: Mapping[str, str], otherwise: str) -> dict[str, float]:
        """The share of each stage. A sample belongs to the first key of ``stages`` with which any
        ``module.function`` on its stack begins, else to ``otherwise``.
        """
        found: Counter[str] = Counter(dict.fromkeys((*stages.values(), otherwise), 0))
        for stack, count in self._stacks.items():
            found[_stage(stack, stages) or otherwise] += count
        return {stage: count / max(1, self.count) for stage, count in found.items()}

    def report(self, report: Report, case: str) -> None:
        """The functions that took most, each with its share of the samples."""
        for function, count in self.functions.most_common(_SHOWN):
            report.add(f"{PROFILE}{case}: {function}", 100 * count / self.count, "%")

    def _take(self, _: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            module = str(frame.f_globals.get("__name__", "")).removeprefix("mcs.")
            module = module.replace("__main__", "the bench")
            stack.append(f"{module}.{frame.f_code.co_qualname}")
            frame = frame.f_back
        if stack:
            self.functions[stack[0]] += 1
            self._stacks[tuple(stack)] += 1


def _stage(stack: tuple[str, ...], stages: Mapping[str, str]) -> str:
    for prefix, stage in stages.items():
        if any(function.startswith(prefix) for function in stack):
            return stage
    return ""
