"""Amounts and times as people read them: ``980m cpu``, ``43.2Gi``, ``2m 5s``, ``10m`` ago."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from mcs.errors import BadSettings
from mcs.quantities import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, render
from mcs.views.words import Sense, Span, Words, listed, say

_BYTES: Final = {MEMORY, EPHEMERAL_STORAGE}
_UNITS: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?\Z")
_SECONDS: Final = (86400, 3600, 60, 1)


def amount(resource: str, value: int) -> str:
    """One amount: exact for cpu and counts, three digits for bytes."""
    if resource not in _BYTES:
        return render(resource, value)
    size, unit = float(value), 0
    while abs(size) >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g}{_UNITS[unit]}" if abs(size) < 1000 else f"{size:.0f}{_UNITS[unit]}"


def amounts(resources: Mapping[str, int]) -> Words:
    """Several amounts, cpu first: ``200m cpu, 64Mi memory``; what is 0 is left out."""
    first = {CPU: 0, MEMORY: 1}
    names = sorted(resources, key=lambda name: (first.get(name, 2), name))
    parts = [
        say(Span(f"{amount(name, resources[name])} {name}", Sense.AMOUNT))
        for name in names
        if resources[name] and name != PODS
    ]
    return listed(parts) if parts else say(Span("nothing", Sense.AMOUNT))


def lasting(seconds: float) -> str:
    """A duration in at most two units: ``0.4s``, ``12s``, ``2m 5s``, ``3h 10m``, ``2d 1h``."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    left = int(seconds)
    parts = []
    for size, unit in zip(_SECONDS, "dhms", strict=True):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def clock_time(time_ns: int, *, date: bool = False) -> str:
    """Time of day in UTC to the millisecond, with the date if asked for."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000 / 1000, UTC)
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f" if date else "%H:%M:%S.%f")
    return text[:-3]


def iso_time(time_ns: int) -> str:
    """RFC 3339 in UTC, to the nanosecond."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000:09d}Z"


def since_ns(text: str, now_s: float) -> int:
    """The moment that ``--since`` names (Unix, nanoseconds): ``10m`` ago, or RFC 3339.

    Raises:
        BadSettings: it is neither.
    """
    found = _DURATION.match(text.strip().replace(" ", ""))
    if found and any(found.groups()):
        back = sum(float(n or 0) * size for n, size in zip(found.groups(), _SECONDS, strict=True))
        return int((now_s - back) * 1e9)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadSettings(
            f"{text!r} is no moment: give a duration such as 90s, 10m, 2h30m or 1d, "
            "or a time such as 2026-09-01T12:00:00Z"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
