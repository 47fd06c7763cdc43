"""Lines and manifests of an exported log: byte for byte, and plain JSON for everybody else."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcs.adapters.files_format import (
    BAD_LINE,
    MANIFEST,
    Manifest,
    decode_line,
    encode_line,
    read_manifest,
)
from mcs.errors import BadSettings, LogLost
from mcs.ports import Stored
from tests.building import World, node

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    data=st.binary()
    | st.dictionaries(st.text(), VALUES).map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.text(), VALUES).map(msgspec.json.encode),
    sequence=st.integers(1, 2**63),
    time_ns=st.integers(0, 2**62),
    subject=st.text(),
)
@example(data=b'{"a":1}}', sequence=1, time_ns=0, subject="s")
@example(data=b'{"a":\n1}', sequence=1, time_ns=0, subject="s")
@example(data=b'{"a":1}\r', sequence=1, time_ns=0, subject="s")
@example(data=b'{"\xff":1}', sequence=1, time_ns=0, subject="s")
@example(data=b' {"a":1} ', sequence=1, time_ns=0, subject="s")
@example(data=b'{"a":"x","frame":{"a":1}}', sequence=1, time_ns=0, subject=',"frame":')
@example(data=b"", sequence=1, time_ns=0, subject="")
@example(data=b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", sequence=1, time_ns=0, subject="s")
def test_any_message_comes_back_byte_for_byte_from_one_line_of_json(
    data, sequence, time_ns, subject
):
    message = Stored(sequence, subject, time_ns, data)

    line = encode_line(message)

    assert line.endswith(b"\n") and len(line.splitlines()) == 1
    assert decode_line(line[:-1]) == message
    read = json.loads(line)
    assert (read["sequence"], read["time_ns"], read["subject"]) == (sequence, time_ns, subject)


def test_frames_stand_as_they_are_for_people_and_programs():
    world = World()
    world.join("c1", node("n1"))
    world.cycle()
    for sequence, subject, time_ns, data in world.observations:
        line = encode_line(Stored(sequence, subject, time_ns, data))
        assert json.loads(line)["frame"] == json.loads(data)
        assert data in line
        assert json.loads(line)["time"].startswith("2023-11-14T22:13:2")


def test_bytes_that_are_no_json_stand_as_base64():
    line = encode_line(Stored(1, "mcs.obs.c1.cluster", 0, b"\xff\x00"))

    assert json.loads(line)["base64"] == "/wA="


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"no",
        b'{"sequence":1,"time_ns":1,"subject":"s","frame":',
        b'{"sequence":"1","time_ns":1,"subject":"s","frame":{}}',
        b'{"sequence":1,"time_ns":1,"subject":"s","base64":"?"}',
    ],
)
def test_a_line_that_is_none_is_said_to_be_none(line):
    with pytest.raises(BAD_LINE):
        decode_line(line)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('{"format":"other"}', BadSettings, "no manifest of an exported log"),
        ('{"format":"mcs-export","version":2,"new":[]}', BadSettings, "version 2"),
        ("{", LogLost, "damaged"),
        ('{"format":"mcs-export","version":1,"streams":7}', LogLost, "damaged"),
        ("[]", LogLost, "damaged"),
        ("\x00", LogLost, "damaged"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, text, error, words):
    (tmp_path / MANIFEST).write_text(text)

    with pytest.raises(error, match=words):
        read_manifest(tmp_path)


def test_a_later_mcs_may_add_to_the_manifest(tmp_path):
    (tmp_path / MANIFEST).write_text('{"format":"mcs-export","version":1,"colour":"blue"}')

    assert read_manifest(tmp_path) == Manifest()


def test_no_manifest_is_none(tmp_path):
    assert read_manifest(tmp_path) is None
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(BadSettings, match="cannot read"):
        read_manifest(tmp_path)
