"""What is aimed at, and the figure that tells whether it is met."""

from __future__ import annotations

from typing import Final, NamedTuple


class Aim(NamedTuple):
    """``most``: the figure may be so large; otherwise it must be at least ``value``."""

    bench: str
    case: str
    value: float
    most: bool = False


AIMS: Final = (
    Aim("scale", "memory, highest", 4096, most=True),
    Aim("scale", "account: frame, longest", 100, most=True),
    Aim("scale", "account: cycle, longest", 100, most=True),
    Aim("scale", "account: snapshot, longest", 100, most=True),
    Aim("scale", "steady: frame, longest", 100, most=True),
    Aim("scale", "steady: cycle, longest", 100, most=True),
    Aim("scale", "steady: snapshot, longest", 100, most=True),
    Aim("fold", "full account of nodes", 500_000),
    Aim("fold", "full account of pods, as columns", 500_000),
    Aim("fold", "steady changes", 500_000),
    Aim("fold", "lives of elected pods", 500_000),
    Aim("fold", "mixed", 500_000),
    Aim("decide", "full scale", 50_000),
    Aim("pipeline", "saturation", 10_000),
    Aim("pipeline", "100 pods/s: p99", 20, most=True),
    Aim("pipeline", "1000 pods/s: p99", 20, most=True),
    Aim("agent", "memory after it: peak", 150, most=True),
    Aim("agent", "CPU at rest", 40, most=True),
)
