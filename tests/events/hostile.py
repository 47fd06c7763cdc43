"""Frames that nobody should write, drawn by hypothesis: of the right form, with wrong contents.

Names come from a small pool, so that events meet: the same proxy from two clusters, a placement of
another's, a node on the wrong channel. Numbers and texts are those that break parsers.
"""

import json
from typing import get_args

import msgspec
from hypothesis import strategies as st

from mcs.events import Decision, Observation

NUMBERS = st.sampled_from(
    [0, 1, 2, 5, 1000, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, 1.5, -(2**70)]
)
TEXTS = st.sampled_from(
    [
        *[
            "",
            "c1",
            "c2",
            "u1",
            "u2",
            "u1.1",
            "u2.1",
            "u1.01",
            "u1." + "9" * 40,
            "u1.1.1",
            "default",
        ],
        *[
            "n1",
            "p",
            "cpu",
            "memory",
            "pods",
            "nvidia.com/gpu",
            "source",
            "target",
            "In",
            "Gt",
            "Lt",
        ],
        *[
            "Exists",
            "NoSchedule",
            "\x00",
            "../../..",
            "a/b",
            "é" * 300,
            "\U0001f600",
            "%s {} [red]",
        ],
        *["[]", "{", "null", '{"spec":[]}', '{"spec":{"containers":[{"volumeMounts":7}]}}'],
        *['{"metadata":{"labels":{"a":1}}}', '{"metadata":{"annotations":[]}}', "[" * 5000],
        *['{"spec":{"tolerations":[1],"volumes":{}}}', '{"spec":{}}'],
        '{"spec":{"x":' + "9" * 40 + "}}",
        *['{"spec":{"x":' + "[" * 900 + "]" * 900 + "}}", "2026-01-01T00:00:00Z"],
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def values(kind):
    """JSON values for a type as msgspec describes it, and now and then for another."""
    return st.integers(0, 11).flatmap(lambda roll: _right(kind) if roll else ANYTHING)


def _right(kind):  # noqa: PLR0911 (a table)
    match kind:
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return NUMBERS
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.EnumType():
            return st.sampled_from([member.value for member in kind.cls]) | TEXTS
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return st.lists(values(kind.item_type), max_size=3)
        case msgspec.inspect.DictType():
            return st.dictionaries(TEXTS, values(kind.value_type), max_size=3)
        case msgspec.inspect.UnionType():
            return st.one_of(*[_right(each) for each in kind.types])
        case msgspec.inspect.StructType():
            return _fields(kind)
        case msgspec.inspect.RawType():
            return ANYTHING
        case _:
            return TEXTS


def _fields(kind):
    tag = {kind.tag_field: st.just(kind.tag)} if kind.tag_field else {}
    needed = {f.encode_name: values(f.type) for f in kind.fields if f.required}
    others = {f.encode_name: values(f.type) for f in kind.fields if not f.required}
    return st.fixed_dictionaries(tag | needed, optional=others)


def events(union):
    """One event of a union, most of its fields of the right type."""
    return st.deferred(
        lambda: st.one_of(*[_fields(msgspec.inspect.type_info(each)) for each in get_args(union)])
    )


OBSERVATIONS = events(Observation)
DECISIONS = events(Decision)


def as_bytes(value):
    """JSON as hand-made writers make it."""
    return json.dumps(value).encode()
