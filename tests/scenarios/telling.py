"""Events, writes and pods in few words. None stands for what only says that all goes on."""

import msgspec

from mcs.events.decisions import (
    CycleMarked,
    Fits,
    Lacks,
    Partly,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    PolicyActivated,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
)
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    ClusterLeft,
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    NodeObserved,
    NodePoolObserved,
    OperatorCommanded,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
    VirtualNodeObserved,
)
from mcs.names import split_placement
from mcs.objects.kinds import EVENTS, LEASES, NODES, PODS
from mcs.objects.status import read
from mcs.objects.waiting import group_words
from mcs.views.amounts import amounts
from mcs.views.words import plain

NOISE = (ClusterHeartbeat, Ticked, CycleMarked)
ACCOUNTS = (ResyncStarted, ResyncCompleted)


def event(said, names, *, accounts=False):
    """An event; ``names`` remembers pods by uid. ``accounts``: where full accounts begin and end,
    too.
    """
    if isinstance(said, NOISE) or (isinstance(said, ACCOUNTS) and not accounts):
        return None
    if hasattr(said, "namespace"):
        names.setdefault(getattr(said, "uid", ""), _named(said))
    parts = (said.__struct_config__.tag, *_observed(said, names))
    return " ".join(part for part in parts if part)


def _observed(said, names):
    """What there is to say of an observation beside its tag."""
    told = ()
    match said:
        case ClusterJoined():
            told = (f"as {' and '.join(said.roles)}",)
        case ClusterLeft() | ResyncStarted():
            told = (said.reason,)
        case NodeObserved():
            state = (not said.ready and "not ready", said.cordoned and "cordoned")
            told = _list(said.name, _has(said.allocatable), *state)
        case NodePoolObserved():
            told = (f"{said.name}, of {said.nodes}",)
        case PodObserved():
            told = (f"{_named(said)} uses {_has(said.requests)} on {said.node}",)
        case PodsObserved():
            told = _list(*(f"{_named(each)} on {each.node}" for each in said.each()))
        case PodGone():
            told = (names.get(said.uid, "?"),)
        case VirtualNodeObserved():
            gone = not said.present and "gone"
            told = _list(f"for {said.target}", said.cordoned and "cordoned", gone)
        case ProxyObserved():
            told = _proxy(said)
        case ProxyDeleted():
            told = _list(_named(said), "its own grace" if said.grace_s is None else _grace(said))
        case DelegateObserved():
            told = _delegate(said)
        case DelegateRejected():
            told = (f"{_named(said)} {said.reason}: {said.message}",)
        case DelegateGone():
            told = (f"{_named(said)}: {said.end.value}",)
        case OperatorCommanded():
            pod = f"/{_named(said)}" if said.name else ""
            told = (f"{said.verb} {said.cluster}{pod}",)
        case _:
            told = _decided(said)
    return told


def _decided(said):
    """What there is to say of a decision, or of an event of little content."""
    told = (getattr(said, "cluster", "") or (_named(said) if hasattr(said, "name") else ""),)
    match said:
        case SchedulerClaimed():
            told = (f"reign {said.reign}",)
        case PolicyActivated():
            told = (f"rules {said.rules}",)
        case PodPlaced():
            where = f"{_named(said)} on {said.target}/{said.node} as {said.delegate}"
            told = _list(where, _attempt(said), f"books {_has(said.requests)}")
        case PodDeferred():
            if said.group is not None:
                return (f"{_named(said)}:", group_words(said.group))
            why = [f"{name}: {_verdict(it)}" for name, it in sorted(said.reasons.items())]
            told = (f"{_named(said)}:", "; ".join(why))
        case PlacementWithdrawn():
            where = f"{_named(said)} from {said.target}"
            unbound = said.unbound_only and "if unbound"
            told = (*_list(where, _attempt(said), unbound, _grace(said)), f"({said.reason})")
        case ProxyEvicted() | ProxyReleased():
            told = (_named(said), f"({said.reason})")
    return told


def _grace(said):
    return "" if said.grace_s is None else f"grace {said.grace_s}s"


def _named(said):
    namespace = getattr(said, "namespace", "")
    return f"{namespace}/{said.name}" if namespace else said.name


def _list(*parts):
    return (", ".join(part for part in parts if part),)


def _has(resources):
    return plain(amounts(resources))


def _attempt(said):
    _, attempt = split_placement(said.placement)
    return f"attempt {attempt}" if attempt > 1 else ""


def _verdict(verdict):
    match verdict:
        case Fits():
            return "fits"
        case Lacks(resource=resource):
            return f"lacks {resource}"
        case Partly():
            return "not for the whole group"
        case _:
            return f"never, {verdict.constraint}"


def _proxy(said):
    return _list(
        f"{_named(said)} asks {_has(said.requests)}",
        said.cluster and f"only in {said.cluster}",
        said.gates and f"gated by {', '.join(said.gates)}",
        said.priority and f"priority {said.priority}",
        said.ended and "ended",
    )


def _delegate(said):
    status = msgspec.to_builtins(read(said.status))
    node = said.node and f"on {said.node}"
    return _list(
        f"{_named(said)} {said.phase.value}" + (f" {node}" if node else ""),
        said.unschedulable and f"unschedulable ({said.unschedulable})",
        said.deleting and "being deleted",
        *_containers(status),
    )


def _containers(status):
    """``main running`` …, in the order of their start."""
    groups = ("initContainerStatuses", "containerStatuses")
    found = [item for group in groups for item in status.get(group) or ()]
    return [f"{item['name']} {_state(item['state'])}" for item in found if "name" in item]


def _state(state):
    for word, more in state.items():
        if word == "terminated":
            return f"exit {more['exitCode']}"
        if word == "waiting":
            return f"waiting {more.get('reason', '')}".strip()
        return word
    return "?"


def call(verb, kind, namespace, name, subresource, body):
    """A write to an API server."""
    path = f"{namespace}/{name}" if namespace else name
    word = f"{verb} {kind.name.lower()} {path}"
    if kind is LEASES or (kind is NODES and subresource and "conditions" not in body["status"]):
        return None
    if kind is EVENTS:
        about = body["involvedObject"]
        return f"event on {about['namespace']}/{about['name']}: {body['reason']}"
    if verb == "bind":
        return f"bind {path} to {body['target']['name']}"
    if verb == "delete":
        grace = "" if body["grace_s"] is None else f" grace {body['grace_s']}s"
        return word + grace + (" as last read" if body["as_read"] else "")
    if kind is PODS and subresource == "status":
        return f"show {path}: {', '.join(_status(body)) or 'nothing'}"
    if verb == "patch" and kind is NODES:
        found = body.get("status") or body.get("metadata") or body.get("spec") or {}
        told = _conditions(found) if subresource else sorted(found)
        return f"{word}: {told[0]}"  # the other conditions follow Ready
    return word


def _status(body):
    metadata, status = body.get("metadata") or {}, body.get("status") or {}
    told = [status["phase"]] if status.get("phase") else []
    told += [f"reason {status['reason']}"] if status.get("reason") else []
    told += _conditions(status) + _containers(status)
    told += [f"annotation {key}" for key in sorted(metadata.get("annotations") or {})]
    if any("finalizers" in key for key in metadata):
        told.append("finalizer off")
    return told


def _conditions(status):
    return [
        " ".join(
            part
            for part in (
                f"{item['type']}={item['status']}",
                item.get("reason") or "",
                f"({item['message']})" if item.get("message") else "",
            )
            if part
        )
        for item in status.get("conditions") or ()
        if "type" in item
    ]


def pod(found):
    """A pod as its user sees it."""
    status = msgspec.to_builtins(found["status"])
    metadata = found["metadata"]
    node = found["spec"].get("nodeName")
    return ", ".join(
        [
            f"{metadata['namespace']}/{metadata['name']} {status.get('phase')}"
            + (f" on {node}" if node else ""),
            *_conditions(status),
            *_containers(status),
            *(["being deleted"] if "deletionTimestamp" in metadata else []),
        ]
    )
