"""Times as Kubernetes and people read them: RFC 3339 in UTC, from a clock's Unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(unix_s: float) -> str:
    """``2026-09-01T12:00:00.123456Z``; always six digits, as ``metav1.MicroTime`` demands."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
