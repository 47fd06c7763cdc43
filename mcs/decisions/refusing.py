"""Why a target would not take a delegate: from an API server's answer to a ``DelegateRejected``.

The reason is one CamelCase word for tables; the message keeps the API server's own words, which
are the only ones that help its user.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from mcs.errors import ClusterError, Forbidden, Invalid, NotFound
from mcs.events.observations import DelegateRejected
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL
from mcs.objects.kinds import Namespace
from mcs.projections.ledger import Placement

NAMESPACE_MISSING: Final = "NamespaceMissing"
NAMESPACE_NOT_OPTED_IN: Final = "NamespaceNotOptedIn"
NAMESPACE_TERMINATING: Final = "NamespaceTerminating"
QUOTA_EXCEEDED: Final = "QuotaExceeded"
FORBIDDEN: Final = "Forbidden"
INVALID: Final = "Invalid"
NAME_TAKEN: Final = "NameTaken"

# The API server answers 403 with reason Forbidden for all of them; only its text tells them apart
# (apiserver plugin/resourcequota and plugin/namespace/lifecycle). The reason is for people: nothing
# is decided by it.
_WORDS: Final = (
    ("exceeded quota", QUOTA_EXCEEDED),
    ("because it is being terminated", NAMESPACE_TERMINATING),
)


class Holder(Enum):
    """Whose pod holds a delegate's name."""

    ITSELF = "itself"
    ANOTHER_PLACEMENT = "another placement"  # of ours: it goes one day, then the name is free
    STRANGER = "stranger"


def barred(placement: Placement, namespace: Namespace | None) -> DelegateRejected | None:
    """Why the namespace (None: there is none) does not take the delegate; None: it does."""
    if namespace is None:
        return _rejected(
            placement, NAMESPACE_MISSING, f'namespaces "{placement.namespace}" not found'
        )
    if (namespace.metadata.labels or {}).get(NAMESPACE_LABEL) != NAMESPACE_ENABLED:
        text = f'namespace "{placement.namespace}" is not labelled'
        return _rejected(
            placement, NAMESPACE_NOT_OPTED_IN, f"{text} {NAMESPACE_LABEL}={NAMESPACE_ENABLED}"
        )
    return None


def refused(placement: Placement, error: ClusterError) -> DelegateRejected | None:
    """What an answer to a create means; None: nothing definite, try again."""
    match error:
        case NotFound():  # of a create: its namespace
            return _rejected(placement, NAMESPACE_MISSING, error.message)
        case Forbidden():
            words = (reason for text, reason in _WORDS if text in error.message)
            return _rejected(placement, next(words, FORBIDDEN), error.message)
        case Invalid():
            return _rejected(placement, INVALID, error.message)
        case _:
            return None


def unreadable(placement: Placement, error: Exception) -> DelegateRejected:
    """The decision's manifest is no JSON object."""
    return _rejected(placement, INVALID, f"unreadable manifest: {error}")


def taken(placement: Placement, holder: str | None) -> Holder:
    """Whose the pod with the delegate's name is; ``holder`` is the placement id it carries."""
    if holder is None:
        return Holder.STRANGER
    return Holder.ITSELF if holder == placement.id else Holder.ANOTHER_PLACEMENT


def name_taken(placement: Placement) -> DelegateRejected:
    """A stranger's pod has the delegate's name."""
    text = f'pods "{placement.delegate}" already exists, and is not a delegate of mcs'
    return _rejected(placement, NAME_TAKEN, text)


def _rejected(placement: Placement, reason: str, message: str) -> DelegateRejected:
    return DelegateRejected(
        placement=placement.id,
        namespace=placement.namespace,
        name=placement.delegate,
        reason=reason,
        message=message,
    )
