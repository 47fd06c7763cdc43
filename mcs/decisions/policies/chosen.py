"""The policies there are, and which one a configuration's text means.

most-replicas
prefer:c1,c2
2*most-replicas+spread          weights are whole numbers from 1 to 1000; without one: 1
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from mcs.decisions.policies.binpack import Binpack
from mcs.decisions.policies.blend import Blend
from mcs.decisions.policies.candidates import Scoring
from mcs.decisions.policies.most_replicas import MostReplicas
from mcs.decisions.policies.prefer import Prefer
from mcs.decisions.policies.spread import Spread
from mcs.errors import BadSettings

PLAIN: Final[Mapping[str, Scoring]] = {
    "binpack": Binpack(),
    "most-replicas": MostReplicas(),
    "spread": Spread(),
}
"""Policies by their word."""

ARGUED: Final[Mapping[str, Callable[[str], Scoring]]] = {"prefer": Prefer.parse}
"""Policies with something behind their word and a colon, which is given to the function; it may
raise BadSettings.
"""

FORMS: Final = (*PLAIN, "prefer:CLUSTER,CLUSTER,…")
"""How each is written."""

WEIGHT_MAX: Final = 1000
PARTS_MAX: Final = 16

_PART: Final = re.compile(r"(?:([0-9]{1,4})\s*\*\s*)?([a-z][a-z-]*)(?::(.*))?")


@lru_cache(maxsize=64)
def scoring(text: str) -> Scoring:
    """The policy that ``text`` names.

    Raises:
        BadSettings: none that this version knows; the message names the word and what there is.
    """
    parts = tuple(_part(each.strip()) for each in text.split("+"))
    if len(parts) > PARTS_MAX:
        raise BadSettings(f"a blend of {len(parts)} policies, of at most {PARTS_MAX}: {text!r}")
    return parts[0][1] if len(parts) == 1 else Blend(parts)


def known(text: str) -> bool:
    """Whether this version has the policy that the log names."""
    try:
        scoring(text)
    except BadSettings:
        return False
    return True


def recorded(text: str) -> Scoring:
    """The policy that the log names; most-replicas in place of one that only a newer version has.

    Nothing is decided by such a stand-in: a scheduler first activates a policy of its own, and
    ``deriving`` calls cycles under the other one foreign. Readers of the log (``mcs why``) show it.
    """
    return scoring(text) if known(text) else PLAIN["most-replicas"]


def _part(text: str) -> tuple[int, Scoring]:
    match = _PART.fullmatch(text)
    if match is None:
        raise BadSettings(f"{text!r} is no policy: {_there_is()}")
    weight, word, argument = match.groups()
    if weight is not None and not 1 <= int(weight) <= WEIGHT_MAX:
        raise BadSettings(f"{text!r}: a weight is a whole number from 1 to {WEIGHT_MAX}")
    return int(weight or 1), _policy(word, argument)


def _policy(word: str, argument: str | None) -> Scoring:
    if word in ARGUED:
        return ARGUED[word](argument or "")
    if word not in PLAIN:
        raise BadSettings(f"there is no policy {word!r}: {_there_is()}")
    if argument is not None:
        raise BadSettings(f"policy {word!r} takes nothing behind a colon, not {argument!r}")
    return PLAIN[word]


def _there_is() -> str:
    return f"there are {', '.join(FORMS)}, and blends such as 2*most-replicas+spread"
