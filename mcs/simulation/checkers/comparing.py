"""I3, apart from digests: states compared field by field, and digests compared with what they are
to be digests of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from mcs.projections.backlog import Backlog
from mcs.projections.digest import Digest
from mcs.projections.dumping import dump, restore
from mcs.projections.inventory import Inventory
from mcs.projections.ledger import Ledger
from mcs.projections.state import State

MOST: Final = 5
"""Differences told."""

UNCOVERED: Final = frozenset(
    # Where the state stands, which every frame chains by itself; the claim's id, which chance
    # made; the longest jump, which is for people; an index.
    {"observed", "decided", "lasts", "cycle", "claim", "longest_jump_ms", "attention"}
)
"""Attributes of a state that its digest leaves out, with a reason."""

_ALTERED: Final = "altered by a checker"


def copied(state: State) -> State:
    """A plain state like this one, to fold on. By way of a dump, which is some ten times as fast as
    ``copy.deepcopy``; one that leaves something out makes a difference, and so is found.
    """
    return restore(dump(state))


def differences(mine: State, other: State) -> list[str]:
    """In words, where two states differ; all of ``other``'s attributes are compared, private
    indexes too, only digests are not.
    """
    found: list[str] = []
    for text in _differ(mine, other, "state"):
        found.append(text)
        if len(found) == MOST:
            break
    return found


def stale_digests(state: State) -> list[str]:
    """Tables of which an entry changed without a mark: computed afresh, the digest is another."""
    found = []
    if restore(dump(state)).inventory.digest() != state.inventory.digest():
        found.append("the digests kept of the inventory are not those of what it holds")
    for name, (table, kept) in _tables(state).items():
        fresh: Digest[Any] = Digest()
        for key in table:
            fresh.touch(key)
        if fresh.settle(table.get) != kept.settle(table.get):
            found.append(f"the digest kept of {name} is not that of its entries")
    return found


def digest_defects(state: State) -> list[str]:
    """What is wrong with a state's digest: it is stale, or a field may change without changing
    it.
    """
    found = stale_digests(state)
    plain = copied(state)
    for table, kept in _tables(plain).values():
        for key in table:
            kept.touch(key)  # so that each entry is read as the digest itself reads it
    right = plain.digest()
    for what, alter in _alterations(plain):
        restore = alter()
        if plain.digest() == right:
            found.append(f"{what} may change, and the digest does not")
        restore()
    return found


def _differ(mine: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(other, Digest) or mine is other:
        return
    if isinstance(other, msgspec.Struct):
        if mine != other and type(mine) is type(other):
            for name in other.__struct_fields__:
                yield from _differ(getattr(mine, name), getattr(other, name), f"{path}.{name}")
        elif mine != other:
            yield f"{path} is {mine!r}, not {other!r}"
    elif isinstance(other, dict):
        for key in [*other, *(key for key in mine if key not in other)]:
            if key not in mine or key not in other:
                yield f"{path}[{key}] is only in {'one' if key in mine else 'the other'}"
            else:
                yield from _differ(mine[key], other[key], f"{path}[{key}]")
    elif isinstance(other, Inventory | Backlog | Ledger):
        held = account(mine)
        for name, value in account(other).items():
            yield from _differ(held[name], value, f"{path}.{name}")
    elif hasattr(other, "__dict__"):
        for name, value in vars(other).items():
            yield from _differ(getattr(mine, name), value, f"{path}.{name}")
    elif mine != other:
        yield f"{path} is {mine!r}, not {other!r}"


def account(projection: Inventory | Backlog | Ledger) -> dict[str, object]:
    """What a projection holds, without what it keeps to find that sooner."""
    if isinstance(projection, Backlog):
        lines = {kind: list(line.orders) for kind, line in sorted(projection.lines.items())}
        leaving = sorted(projection.leaving)
        return {"proxies": projection.proxies, "lines": lines, "leaving": leaving}
    if isinstance(projection, Ledger):
        living = {name: sorted(ids) for name, ids in sorted(projection.living.items()) if ids}
        found = vars(projection) | {"living": living}
        return {name: value for name, value in found.items() if not isinstance(value, Digest)}
    charges = dict(sorted(projection.charges.items()))
    places = {(charge.cluster, charge.node) for charge in charges.values()}
    return {
        "nodes": projection.nodes,
        "charges": charges,
        "used": {place: projection.used(*place) for place in sorted(places)},
        "owed": {name: owed for name in projection.nodes if (owed := projection.owed(name))},
    }


def _tables(state: State) -> dict[str, tuple[dict[Any, Any], Digest[Any]]]:
    """Each table of entries by key, and the digest kept of it."""
    inventory = state.inventory
    nodes = {
        (cluster, name): node
        for cluster, known in inventory.nodes.items()
        for name, node in known.items()
    }
    members, proxies = state.membership.members, state.backlog.proxies
    placements = state.ledger.placements
    # Only a look behind the curtain tells a digest that is kept from one that is right.
    return {
        "members": (members, _kept(state.membership)),
        "proxies": (proxies, _kept(state.backlog)),
        "placements": (placements, _kept(state.ledger)),
        "placed": (inventory.placed, _kept(inventory, "_placed_digest")),
        "nodes": (nodes, _kept(inventory, "_nodes_digest")),
    }


def _kept(table: object, name: str = "_digest") -> Digest[Any]:
    digest: Digest[Any] = getattr(table, name)
    return digest


def _alterations(state: State) -> Iterator[tuple[str, Callable[[], Callable[[], None]]]]:
    """Each field that a digest must notice, with how to alter it; that gives how to undo it."""
    for name in vars(State()):
        value = getattr(state, name)
        if name not in UNCOVERED and not hasattr(value, "digest"):
            yield f"state.{name}", _alteration(state, name, lambda: None)
    for table, (entries, digest) in _tables(state).items():
        for key in list(entries)[-1:]:
            for field in entries[key].__struct_fields__:
                mark = _marker(digest, key)
                yield f"{field} of {table}", _alteration(entries[key], field, mark)


def _alteration(
    thing: Any, name: str, mark: Callable[[], None]
) -> Callable[[], Callable[[], None]]:
    value = getattr(thing, name)
    altered: object = {_ALTERED: 1} if isinstance(value, dict) else _ALTERED

    def alter() -> Callable[[], None]:
        setattr(thing, name, altered)
        mark()

        def restore() -> None:
            setattr(thing, name, value)
            mark()

        return restore

    return alter


def _marker(digest: Digest[Any], key: object) -> Callable[[], None]:
    def mark() -> None:
        digest.touch(key)

    return mark
