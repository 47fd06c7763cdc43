"""Amounts of resources: exact integers, parsed from Kubernetes quantities.

CPU counts in thousandths of a core, everything else in its own unit (bytes, devices, pods).
Fractions round up, as ``resource.Quantity`` does (k8s.io/apimachinery/pkg/api/resource, MilliValue
and Value).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from mcs.errors import BadQuantity

Resources = dict[str, int]
"""Amount by resource name: ``cpu`` in thousandths of a core, the rest in units."""

LARGEST: Final = 2**63 - 1
"""The largest amount: Kubernetes caps every quantity there (k8s.io/apimachinery, Quantity)."""

CPU: Final = "cpu"
MEMORY: Final = "memory"
PODS: Final = "pods"
EPHEMERAL_STORAGE: Final = "ephemeral-storage"

_QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]i?|Ki))?\Z")
_SCALE_10: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SCALE_2: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_EXPONENT_MAX: Final = 30


@lru_cache(maxsize=4096)
def parse(resource: str, text: str) -> int:
    """The amount that ``text`` means for ``resource``, rounded up.

    Raises:
        BadQuantity: not a Kubernetes quantity.
    """
    found = _QUANTITY.match(text)
    if found is None:
        raise BadQuantity(f"{text!r} is not a quantity of {resource}")
    sign, digits, exponent, suffix = found.groups()
    whole, _, fraction = digits.partition(".")
    numerator, ten = int(whole + fraction or "0"), -len(fraction)
    two = 0
    if exponent:
        ten += int(exponent[1:])
    elif suffix in _SCALE_10:
        ten += _SCALE_10[suffix]
    elif suffix in _SCALE_2:
        two = _SCALE_2[suffix]
    elif suffix:
        raise BadQuantity(f"{text!r} is not a quantity of {resource}")
    if abs(ten) > _EXPONENT_MAX + len(digits):
        raise BadQuantity(f"{text!r} is out of range for {resource}")
    if resource == CPU:
        ten += 3
    numerator <<= two
    amount: int = numerator * 10**ten if ten >= 0 else -(-numerator // 10**-ten)
    return -amount if sign == "-" else amount


def parse_all(amounts: Mapping[str, str]) -> Resources:
    """A Kubernetes resource list as amounts, in the order of names."""
    return bounded({name: parse(name, text) for name, text in amounts.items()})


def bounded(amounts: Mapping[str, int]) -> Resources:
    """Amounts as an event can hold them, none negative nor beyond ``LARGEST``, ordered by name:
    users may ask for any number, and sums of theirs grow beyond it.
    """
    return {name: min(max(0, amounts[name]), LARGEST) for name in sorted(amounts)}


def shared(amounts: Mapping[str, int]) -> Resources:
    """One dictionary for all equal amounts, not to be changed: of thousands of pods and nodes, few
    ask or offer different ones.
    """
    return _shared(tuple(amounts.items()))


def add(left: Mapping[str, int], right: Mapping[str, int]) -> Resources:
    """Sum by resource."""
    total = dict(left)
    for name, amount in right.items():
        total[name] = total.get(name, 0) + amount
    return total


def most(parts: Iterable[Mapping[str, int]]) -> Resources:
    """Largest amount by resource."""
    total: Resources = {}
    for part in parts:
        for name, amount in part.items():
            if amount > total.get(name, 0):
                total[name] = amount
    return total


def render(resource: str, amount: int) -> str:
    """An amount as people and Kubernetes write it: ``940m``, ``15Gi``, ``3``."""
    if resource == CPU:
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    if resource in {MEMORY, EPHEMERAL_STORAGE} or resource.startswith("hugepages-"):
        for suffix, bits in reversed(_SCALE_2.items()):
            if amount and amount % (1 << bits) == 0:
                return f"{amount >> bits}{suffix}"
    return str(amount)


@lru_cache(maxsize=4096)
def _shared(amounts: tuple[tuple[str, int], ...]) -> Resources:
    return dict(amounts)
