"""Where a pod may run, and where a node lets pods run: the parts of a spec that placement reads."""

from __future__ import annotations

from mcs.events.event import Count, Part


class Toleration(Part, frozen=True, kw_only=True):
    """``spec.tolerations[]``; an empty key with operator Exists tolerates everything."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Taint(Part, frozen=True, kw_only=True):
    """``node.spec.taints[]``."""

    key: str
    value: str = ""
    effect: str = ""


class Requirement(Part, frozen=True, kw_only=True):
    """A label or field requirement: operator In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Term(Part, frozen=True, kw_only=True):
    """One node selector term: all of its requirements must hold; an empty one matches nothing."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()


class Constraints(Part, frozen=True, kw_only=True):
    """What a node must offer. ``affinity`` is None when the pod states no required node affinity;
    otherwise one of its terms must match.
    """

    selector: dict[str, str] = {}
    affinity: tuple[Term, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()


class Dependency(Part, frozen=True, kw_only=True):
    """A ConfigMap or Secret that the pod names."""

    kind: str
    name: str


class Group(Part, frozen=True, kw_only=True):
    """Pods of one source and namespace that are placed all or none.

    ``size``: so many at least are placed at once; later ones follow one by one. ``spread``: over
    several clusters, if that is where there is room; otherwise all in one.
    """

    name: str
    size: Count
    spread: bool = False
