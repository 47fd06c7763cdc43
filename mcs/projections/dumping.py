"""A whole state as bytes and back, so that a start need not fold the log from its head.

What is restored cannot be told from what was folded: the same digest, the same order wherever one
is kept, and the same further course (invariant I3: snapshot and tail give what the whole log
gives). So orders and indexes are dumped as they are where they cannot be derived exactly; only the
digests are not trusted but computed anew. JSON, since numbers of any size occur in it, as they may
in the log.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcs.errors import BadSnapshot
from mcs.events.decisions import Policy
from mcs.events.event import Last
from mcs.projections.backlog import BacklogDump
from mcs.projections.inventory import InventoryDump
from mcs.projections.ledger import LedgerDump
from mcs.projections.membership import Member
from mcs.projections.settling import strand
from mcs.projections.state import Parked, State

_SAME: Final = (
    *(
        "policy",
        "rules",
        "schema",
        "reign",
        "claim",
        "cycle",
        "now_ns",
        "elapsed_ms",
        "longest_jump_ms",
    ),
    *("parked", "observed", "decided", "lasts"),
)
"""Fields of ``State`` that are dumped as they are."""


class _Dump(msgspec.Struct, kw_only=True):
    """A state; a field that an older version did not have must have a default."""

    membership: list[Member]
    inventory: InventoryDump
    backlog: BacklogDump
    ledger: LedgerDump
    attention: list[str]
    commands: list[str]
    policy: Policy
    rules: int
    schema: int
    reign: int
    claim: str
    cycle: int
    now_ns: int
    elapsed_ms: int
    longest_jump_ms: int
    parked: dict[str, Parked]
    observed: Last
    decided: Last
    lasts: dict[str, Last]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Dump)


def dump(state: State) -> bytes:
    """All of a state, at a cycle boundary."""
    return _encoder.encode(
        _Dump(
            membership=state.membership.dump(),
            inventory=state.inventory.dump(),
            backlog=state.backlog.dump(),
            ledger=state.ledger.dump(),
            attention=list(state.attention),
            commands=list(state.commands),
            **{name: getattr(state, name) for name in _SAME},
        )
    )


def restore(data: bytes) -> State:
    """The state that was dumped.

    Raises:
        BadSnapshot: these bytes are none, or one that this version does not understand.
    """
    try:
        dumped = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSnapshot(f"it holds no state: {error}") from error
    state = State()
    state.membership.restore(dumped.membership)
    state.inventory.restore(dumped.inventory)
    state.backlog.restore(dumped.backlog, dumped.elapsed_ms)
    state.ledger.restore(dumped.ledger)
    state.attention = dict.fromkeys(dumped.attention)
    for member in dumped.membership:
        if member.removed:  # rules 2 did not note it
            strand(state, member.name)
    state.commands = dict.fromkeys(dumped.commands)
    for name in _SAME:
        setattr(state, name, getattr(dumped, name))
    return state
