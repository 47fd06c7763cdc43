"""What a proxy's user is told, in words: Kubernetes Events and the waiting condition's message."""

from __future__ import annotations

from typing import Final, Literal, assert_never

import msgspec

from mcs.events.decisions import PlacementWithdrawn, PodDeferred, PodPlaced, ProxyEvicted
from mcs.events.observations import DelegateRejected
from mcs.objects.waiting import deferral_words
from mcs.projections.ledger import Placement

MESSAGE_MAX: Final = 1024
"""The API server refuses an Event with a longer message (core validation, ``ValidateEvent``)."""

Told = PodPlaced | PodDeferred | PlacementWithdrawn | ProxyEvicted | DelegateRejected
"""What is worth an Event on the proxy."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An Event about a proxy: ``reason`` is one CamelCase word, ``about`` the placement, if any."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    about: str = ""


def announce(event: Told, placement: Placement | None = None) -> Notice:
    """The Event that tells of ``event``; ``placement`` is the one it concerns, where known."""
    match event:
        case PodPlaced():
            where = f"{event.target}, as {event.namespace}/{event.delegate}"
            return _notice("Normal", "Placed", f"to run in cluster {where}", event.placement)
        case PodDeferred():
            return _notice("Warning", "Deferred", deferral_words(event))
        case PlacementWithdrawn():
            text = f"no longer to run in cluster {event.target}: {event.reason}"
            return _notice("Normal", "Withdrawn", text, event.placement)
        case ProxyEvicted():
            text = f"its delegate is being deleted: {event.reason}"
            return _notice("Warning", "Evicted", text, event.placement)
        case DelegateRejected():
            text = rejection(event.reason, event.message, placement)
            return _notice("Warning", "DelegateRejected", text, event.placement)
        case _:
            assert_never(event)


def rejection(reason: str, message: str, placement: Placement | None) -> str:
    """Why a cluster would not take a delegate, in its API server's words."""
    where = placement.target if placement and placement.target else "the target"
    return f"cluster {where} rejected it: {reason}: {message}"


def _notice(
    type: Literal["Normal", "Warning"], reason: str, message: str, about: str = ""
) -> Notice:
    if len(message) > MESSAGE_MAX:
        message = message[: MESSAGE_MAX - 1] + "…"
    return Notice(type=type, reason=reason, message=message, about=about)
