"""What checkers find. A rule may break inside somebody else's call, where nothing may be raised:
so findings are kept, and raised when the world asks.
"""

from __future__ import annotations

from mcs.ports import Clock


class Violation(AssertionError):
    """An invariant that does not hold; ``at_s`` is the clock's time at which it was found."""

    def __init__(self, invariant: str, text: str, at_s: float) -> None:
        super().__init__(f"{invariant}: {text} (at {at_s:.3f} s)")
        self.invariant, self.text, self.at_s = invariant, text, at_s


class Findings:
    """Violations in the order in which they were found."""

    def __init__(self, clock: Clock) -> None:
        self.found: list[Violation] = []
        self._clock = clock

    def now_s(self) -> float:
        """Seconds on the clock that findings carry."""
        return self._clock.monotonic()

    def add(self, invariant: str, text: str) -> None:
        """Keep a violation."""
        self.found.append(Violation(invariant, text, self.now_s()))

    def check(self) -> None:
        """Raise the first violation, if there is one."""
        if self.found:
            raise self.found[0]
