"""What a pod spec asks of its place: node constraints and gates.

Only what rules nodes out is read: preferences, pod affinity and topology spread stay in the
delegate's manifest, where the target's own scheduler honours them among its nodes.
"""

from __future__ import annotations

from mcs.events.constraints import Constraints, Requirement, Term, Toleration
from mcs.objects.kinds import PodSpec, RequirementSpec, TermSpec, TolerationSpec


def constraints(spec: PodSpec) -> Constraints:
    """What a node must offer to this pod."""
    required = None
    if spec.affinity and spec.affinity.node_affinity:
        required = spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    return Constraints(
        selector=dict(sorted((spec.node_selector or {}).items())),
        affinity=None
        if required is None
        else tuple(_term(term) for term in required.node_selector_terms or ()),
        tolerations=tuple(_toleration(item) for item in spec.tolerations or ()),
    )


def gates(spec: PodSpec) -> tuple[str, ...]:
    """Scheduling gates still closed."""
    return tuple(gate.name for gate in spec.scheduling_gates or ())


def _term(term: TermSpec) -> Term:
    return Term(
        labels=tuple(_requirement(item) for item in term.match_expressions or ()),
        fields=tuple(_requirement(item) for item in term.match_fields or ()),
    )


def _requirement(item: RequirementSpec) -> Requirement:
    return Requirement(key=item.key, operator=item.operator, values=tuple(item.values or ()))


def _toleration(item: TolerationSpec) -> Toleration:
    return Toleration(
        key=item.key or "",
        operator=item.operator or "Equal",
        value=item.value or "",
        effect=item.effect or "",
    )
