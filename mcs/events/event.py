"""The base of every event: frozen, keyword-only, tagged by a dotted name in the past tense."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A fact or a decision. Subclasses set ``tag`` to a dotted name such as ``proxy.observed``."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value inside an event."""


class Last(Part, frozen=True, kw_only=True):
    """A known point of a log: a message's sequence and digest; (0, "") is the beginning."""

    sequence: int = 0
    digest: str = ""
