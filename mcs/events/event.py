"""The base of every event: frozen, keyword-only, tagged by a dotted name in the past tense."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcs.quantities import LARGEST

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
"""A number that cannot be negative: an amount, a sequence, how many there are. It is bounded, since
JSON knows no bounds but our encoder does: a number that can be read and not be written again would
stop whoever folds it.
"""

Number = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
"""Any other number: a priority."""


class Event(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False
):
    """A fact or a decision. Subclasses set ``tag`` to a dotted name such as ``proxy.observed``.

    Events refer to nothing that refers to them, so the garbage collector need not look at them.
    """


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A value inside an event."""


class Last(Part, frozen=True, kw_only=True):
    """A known point of a log: a message's sequence and digest; (0, "") is the beginning."""

    sequence: Count = 0
    digest: str = ""
