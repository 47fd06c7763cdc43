import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.names import Keys
from mcs.objects.reviewing import review

KEYS = Keys()
ELECTED = {"metadata": {"name": "a", "annotations": {KEYS.elect: ""}}, "spec": {"containers": []}}


def asked(pod, **fields):
    request = {"uid": "r-1", "namespace": "default", "operation": "CREATE", "object": pod, **fields}
    status, body = review(json.dumps({"request": request}).encode(), KEYS)
    assert status == 200
    answer = json.loads(body)
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "r-1"
    return answer["response"]


def test_an_elected_pod_is_answered_with_a_patch():
    response = asked(ELECTED)

    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    operations = json.loads(base64.b64decode(response["patch"]))
    assert "/spec/schedulerName" in [operation["path"] for operation in operations]


def test_another_pod_is_let_in_as_it_is():
    assert asked({"metadata": {"name": "a"}}) == {"uid": "r-1", "allowed": True}


def test_a_warning_reaches_the_user():
    response = asked({**ELECTED, "spec": {"nodeName": "n1"}})

    assert response["allowed"] is True
    assert "default/a" in response["warnings"][0]
    assert "patch" not in response


def test_a_refusal_has_a_code_and_a_message():
    response = asked({"metadata": {"annotations": {KEYS.manifest: "{}"}}})

    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert "default/*" in response["status"]["message"]


@pytest.mark.parametrize("fields", [{"operation": "UPDATE"}, {"subResource": "status"}])
def test_only_creations_of_pods_are_changed(fields):
    assert asked(ELECTED, **fields) == {"uid": "r-1", "allowed": True}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"request": {}}',
        b'{"request": {"uid": 1}}',
        b'{"request": {"uid": "r", "object": []}}',
        b'{"request": {"uid": "r", "object": {"metadata": 3}}}',
        b'{"request": {"uid": "r", "object": {"metadata": {"annotations": [1]}}}}',
    ],
)
def test_what_is_no_review_of_a_pod_is_a_bad_request(body):
    status, answer = review(body, KEYS)

    if status == 200:  # odd, but nothing of it is ours
        assert json.loads(answer)["response"]["allowed"] is True
    else:
        assert status == 400
        assert json.loads(answer)["kind"] == "Status"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("containers", "volumes", "tolerations", "nodeSelector", "nodeName"), JSON
        ),
    ),
    st.fixed_dictionaries({}, optional={"labels": JSON, "ownerReferences": JSON, "name": JSON}),
)
def test_no_pod_however_odd_crashes_it(spec, metadata):
    pod = {"metadata": {"annotations": {KEYS.elect: ""}, **metadata}, "spec": spec}
    body = json.dumps({"request": {"uid": "r", "operation": "CREATE", "object": pod}}).encode()

    assert review(body, KEYS)[0] in {200, 400}


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(body):
    assert review(body, KEYS)[0] == 400
