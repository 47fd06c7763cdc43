"""Every staging module of Kubernetes is replaced by its published twin."""

import pytest

from tools.kubernetes_module import go_mod

UPSTREAM = """module k8s.io/kubernetes

go 1.26.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


def test_staging_modules_are_replaced():
    text = go_mod("v1.36.3", UPSTREAM)
    assert "\tk8s.io/api => k8s.io/api v0.36.3\n" in text
    assert "\tk8s.io/client-go => k8s.io/client-go v0.36.3\n" in text
    assert "require k8s.io/kubernetes v1.36.3\n" in text
    assert "\ngo 1.26.0\n" in text


def test_a_go_mod_of_another_form_is_refused():
    with pytest.raises(ValueError, match="not as it used to be"):
        go_mod("v1.99.0", "module k8s.io/kubernetes\n")
