"""Two frames are shown by the fields in which they differ, and no others."""

import json

from mcs.views.differing import Field, differing


def of(left, right):
    return differing(json.dumps(left).encode(), json.dumps(right).encode())


def test_equal_frames_do_not_differ():
    assert of({"a": 1}, {"a": 1}) == ()


def test_a_frame_alone_differs_from_nothing():
    assert differing(None, b"{}") == ()


def test_only_what_differs_is_shown_with_its_path():
    left = {"cycle": 3, "last": {"sequence": 1}, "events": [{"type": "a"}, {"uid": "u1"}]}
    right = {"cycle": 3, "last": {"sequence": 2}, "events": [{"type": "a"}, {"uid": "u2"}]}

    assert of(left, right) == (
        Field("last.sequence", "1", "2"),
        Field("events[1].uid", '"u1"', '"u2"'),
    )


def test_what_is_on_one_side_only_is_empty_on_the_other():
    assert of({"events": [1]}, {"events": [1, 2], "more": True}) == (
        Field("events[1]", "", "2"),
        Field("more", "", "true"),
    )


def test_true_is_not_one():
    assert of({"a": 1}, {"a": True}) == (Field("a", "1", "true"),)


def test_a_manifest_is_looked_into():
    left = {"manifest": json.dumps({"spec": {"nodeName": "n1", "x": 1}})}
    right = {"manifest": json.dumps({"spec": {"nodeName": "n2", "x": 1}})}

    assert of(left, right) == (Field("manifest.spec.nodeName", '"n1"', '"n2"'),)


def test_a_manifest_written_otherwise_is_text():
    (field,) = of({"manifest": '{"a":1}'}, {"manifest": '{"a": 1}'})

    assert field.path == "manifest"


def test_long_text_is_cut_to_where_it_differs():
    (field,) = of({"a": "x" * 500 + "1" + "y" * 500}, {"a": "x" * 500 + "2" + "y" * 500})

    assert len(field.expected) < 80
    assert field.expected.startswith("…xxx")
    assert "x1y" in field.expected
    assert "x2y" in field.found


def test_the_same_data_in_other_bytes_is_shown_as_bytes():
    (field,) = differing(b'{"a":1}', b'{"a": 1}')

    assert field == Field("(bytes)", '{"a":1}', '{"a": 1}')


def test_what_is_no_json_is_shown_as_bytes():
    (field,) = differing(b'{"a":1}', b"\xff{")

    assert (field.path, field.found) == ("(bytes)", "\\xff{")


def test_many_fields_are_cut():
    fields = of({str(n): 0 for n in range(100)}, {str(n): 1 for n in range(100)})

    assert len(fields) == 41
    assert fields[-1].path == "… and 60 more"
