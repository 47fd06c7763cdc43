"""The grammar of subjects.

mcs.obs.<cluster>.cluster | capacity | proxy | delegate.<source>
mcs.obs._clock                       mcs.obs._operator.<verb>
mcs.dec.<target>.<source>            ``_`` where there is no target, or no source
mcs.ctl.<asked>.<asker>.<what>       requests between members (core NATS, not stored)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mcs.errors import BadName, BadSubject
from mcs.names import CLOCK, NOBODY, OPERATOR, cluster_name

OBSERVATIONS: Final = "mcs.obs.>"
DECISIONS: Final = "mcs.dec.>"
TICKS: Final = f"mcs.obs.{CLOCK}"
EVERYBODY: Final = f"mcs.dec.{NOBODY}.{NOBODY}"

CLUSTER: Final = "cluster"
CAPACITY: Final = "capacity"
PROXY: Final = "proxy"
_DELEGATE: Final = "delegate."
_CHANNELS: Final = {CLUSTER, CAPACITY, PROXY}


def delegate_channel(source: str) -> str:
    """Channel on which a target tells ``source`` about its delegates."""
    return _DELEGATE + source


def delegate_source(channel: str) -> str | None:
    """The source that a delegate channel speaks to; None for other channels."""
    return channel.removeprefix(_DELEGATE) if channel.startswith(_DELEGATE) else None


def observation(cluster: str, channel: str) -> str:
    """Subject of a cluster's channel."""
    return f"mcs.obs.{cluster}.{channel}"


def operator(verb: str) -> str:
    """Subject of a person's command."""
    return f"mcs.obs._operator.{verb}"


def decision(target: str = "", source: str = "") -> str:
    """Subject of a decision; an empty argument means nobody in particular."""
    return f"mcs.dec.{target or NOBODY}.{source or NOBODY}"


def control(asked: str, asker: str, what: str) -> str:
    """Subject of a request from one member to another."""
    return f"mcs.ctl.{asked}.{asker}.{what}"


@lru_cache(maxsize=4096)
def parse_observation(subject: str) -> tuple[str, str]:
    """Cluster and channel of an observation's subject (``_clock``: channel empty).

    Raises:
        BadSubject: not under ``mcs.obs.``, no cluster's name, or no channel of ours.
    """
    mcs, obs, writer, channel = (*subject.split(".", 3), "", "", "", "")[:4]
    if (mcs, obs) != ("mcs", "obs") or not all(subject.split(".")):
        raise BadSubject(f"{subject!r} is not a subject of OBSERVATIONS")
    if writer == CLOCK and not channel:
        return writer, channel
    if writer == OPERATOR and channel and "." not in channel:
        return writer, channel
    try:
        cluster_name(writer)
        if channel not in _CHANNELS:
            cluster_name(delegate_source(channel) or "")
    except BadName as error:
        raise BadSubject(f"{subject!r} names no cluster, or no channel of one") from error
    return writer, channel


def parse_decision(subject: str) -> tuple[str, str]:
    """Target and source of a decision's subject; empty for nobody.

    Raises:
        BadSubject: not ``mcs.dec.<target>.<source>``.
    """
    parts = subject.split(".")
    if len(parts) != 4 or parts[:2] != ["mcs", "dec"] or not all(parts):
        raise BadSubject(f"{subject!r} is not a subject of DECISIONS")
    target, source = (("" if part == NOBODY else part) for part in parts[2:])
    return target, source
