"""Observations in the words of an older schema, for schedulers that know no newer one.

An agent says what the activated schema has words for (``PolicyActivated.schema``). What is said
otherwise loses nothing that an older scheduler could use.
"""

from __future__ import annotations

import msgspec

from mcs.events.observations import Observation, PodsObserved, ProxyObserved


def as_of(schema: int, event: Observation) -> tuple[Observation, ...]:
    """What an agent says in ``schema`` instead of ``event``, which is in today's."""
    if schema >= 2:
        return (event,)
    match event:
        case PodsObserved():
            return tuple(event.each())
        case ProxyObserved():
            return (msgspec.structs.replace(event, group=None),)
        case _:
            return (event,)
