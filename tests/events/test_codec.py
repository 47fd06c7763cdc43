"""Bytes to frames: what cannot be read is a named case."""

import contextlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcs.errors import BadFrame
from mcs.events import codec
from mcs.events.decisions import CycleMarked, Fits, Lacks, Never, PodDeferred
from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import DelegateObserved, Phase, PodGone, Ticked
from tests.events.hostile import ANYTHING, DECISIONS, OBSERVATIONS, as_bytes

SUBJECT = "mcs.obs.c1.capacity"


def frame(*events, **fields):
    fields = {"source": "c1", "channel": "capacity", **fields}
    return ObservationFrame(events=events, **fields)


def with_events(raw):
    return b'{"schema":9,"source":"c1","channel":"capacity","events":[' + raw + b'],"new":true}'


def test_a_frame_reads_as_it_was_written():
    status = msgspec.Raw(b'{"phase":"Running"}')
    seen = DelegateObserved(
        placement="u.1", namespace="n", name="d", uid="x", phase=Phase.RUNNING, status=status
    )
    written = frame(seen, PodGone(uid="1"))

    read, unknown = codec.decode_observation(SUBJECT, codec.encode(written))

    assert (read, unknown) == (written, ())


def test_a_frame_is_one_line_that_people_can_read():
    assert codec.encode(frame(PodGone(uid="1"))) == (
        b'{"schema":2,"source":"c1","epoch":0,"channel":"capacity","number":0,"previous":"",'
        b'"at":"","events":[{"type":"pod.gone","uid":"1"}]}'
    )


def test_reasons_are_data():
    reasons = {"c1": Lacks(resource="cpu"), "c2": Never(constraint="taint x"), "c3": Fits()}
    event = PodDeferred(uid="u", source="c1", namespace="n", name="p", reasons=reasons)
    written = DecisionFrame(
        reign=1, cycle=1, based_on=1, previous="", observed="", state="", events=(event,)
    )

    assert codec.decode_decision("mcs.dec._.c1", codec.encode(written)) == (written, ())


@pytest.mark.parametrize(
    ("raw", "tag"),
    [
        (b'{"type":"pod.teleported","uid":"1"}', "pod.teleported"),
        (b'{"type":"pod.gone","uid":7}', "pod.gone"),
        (b'{"uid":"1"}', ""),
        (b"[]", ""),
    ],
)
def test_an_event_that_cannot_be_read_does_not_hide_its_neighbours_i8(raw, tag):
    data = with_events(b'{"type":"pod.gone","uid":"1"},' + raw + b',{"type":"clock.ticked"}')

    read, unknown = codec.decode_observation(SUBJECT, data)

    assert read.events == (PodGone(uid="1"), Ticked())
    assert [event.tag for event in unknown] == [tag]


def test_a_new_field_is_ignored():
    data = with_events(b'{"type":"pod.gone","uid":"1","why":"new"}')

    assert codec.decode_observation(SUBJECT, data)[0].events == (PodGone(uid="1"),)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b'{"source":"c1"}', b"null"])
def test_bytes_without_a_header_are_no_frame(data):
    with pytest.raises(BadFrame):
        codec.decode_observation(SUBJECT, data)
    with pytest.raises(BadFrame):
        codec.decode_decision("mcs.dec._._", data)


@pytest.mark.parametrize("fields", [{"source": "c2"}, {"channel": "proxy"}])
def test_a_frame_must_belong_to_its_subject_i9(fields):
    with pytest.raises(BadFrame, match="on subject"):
        codec.decode_observation(SUBJECT, codec.encode(frame(**fields)))


def test_an_unknown_decision_is_kept_apart_with_its_frame():
    written = DecisionFrame(
        reign=1, cycle=1, based_on=1, previous="p", observed="o", state="s", events=(CycleMarked(),)
    )
    data = codec.encode(written).replace(b'"cycle.marked"', b'"cycle.doubted"')

    read, unknown = codec.decode_decision("mcs.dec._._", data)

    assert (read.previous, read.events) == ("p", ())
    assert [event.tag for event in unknown] == ["cycle.doubted"]


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_bad_frame(data):
    for decode, subject in (
        (codec.decode_observation, SUBJECT),
        (codec.decode_decision, "mcs.dec._._"),
    ):
        with contextlib.suppress(BadFrame):
            decode(subject, data)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBSERVATIONS, max_size=4), st.lists(DECISIONS, max_size=4), st.data())
def test_hostile_events_are_read_or_kept_apart_and_what_is_read_can_be_written(told, chosen, data):
    head = {"schema": 1, "source": "c1", "channel": "capacity", "epoch": 1}
    cycle = {"schema": 1, "reign": 1, "cycle": 1, "index": 0, "count": 1, "based_on": 0}
    digests = {"previous": "", "observed": "", "state": ""}
    odd = data.draw(st.dictionaries(st.sampled_from([*head, *cycle, "at", "last"]), ANYTHING))
    for decode, subject, written in (
        (codec.decode_observation, SUBJECT, head | {"events": told} | odd),
        (codec.decode_decision, "mcs.dec._._", cycle | digests | {"events": chosen} | odd),
    ):
        with contextlib.suppress(BadFrame):
            read, unknown = decode(subject, as_bytes(written))

            assert len(read.events) + len(unknown) == len(written["events"])
            assert decode(subject, codec.encode(read)) == (read, ())


@pytest.mark.parametrize("deep", [b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000])
def test_values_in_each_other_without_end_are_no_frame_or_no_event(deep):
    with pytest.raises(BadFrame):
        codec.decode_observation(SUBJECT, deep)
    with pytest.raises(BadFrame):
        codec.decode_decision("mcs.dec._._", deep)
    with pytest.raises(BadFrame):
        codec.decode_observation(SUBJECT, with_events(b'{"type":"pod.gone","uid":' + deep + b"}"))


def test_every_number_in_the_log_is_bounded():
    seen, left = set(), [ObservationFrame, DecisionFrame]
    while left:
        kind = left.pop()
        for field in msgspec.structs.fields(kind):
            todo = [msgspec.inspect.type_info(field.type)]
            while todo:
                each = todo.pop()
                if isinstance(each, msgspec.inspect.IntType):
                    assert each.ge is not None, f"{kind.__name__}.{field.name}"
                    assert each.le is not None
                for name in "item_type", "value_type", "key_type":
                    todo += [getattr(each, name)] if hasattr(each, name) else []
                todo += [*getattr(each, "types", ()), *getattr(each, "item_types", ())]
                cls = getattr(each, "cls", None)
                if isinstance(each, msgspec.inspect.StructType) and cls not in seen:
                    seen.add(cls)
                    left.append(cls)
    assert len(seen) > 30


def test_a_command_belongs_to_its_verbs_subject_i9():
    data = codec.encode(ObservationFrame(source="_operator", channel="remove", events=()))

    assert codec.decode_observation("mcs.obs._operator.remove", data)
    with pytest.raises(BadFrame, match="on subject"):
        codec.decode_observation("mcs.obs._operator.cordon", data)
