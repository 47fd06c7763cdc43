"""Checkers of the numbered invariants (design, "Invariants"), which watch a simulated world.

They stand outside: all they know are the API servers, the log, and what processes were seen to do
at their borders. Each family of rules has a module of its own, states its rules in its docstring,
and shares as little as it can with the code it checks: what is recomputed here is recomputed
plainly, in the slow and obvious way.
"""

from __future__ import annotations

from mcs.simulation.checkers.checkers import Checkers
from mcs.simulation.checkers.findings import Violation

__all__ = ["Checkers", "Violation"]
