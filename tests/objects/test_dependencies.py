import msgspec
import pytest

from mcs.events.constraints import Dependency
from mcs.objects.dependencies import References, dependencies


def found(**spec):
    return [(item.kind, item.name) for item in dependencies(msgspec.convert(spec, References))]


def env(ref, **named):
    return [{"name": "V", "valueFrom": {ref: named}}]


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"env": env("configMapKeyRef", name="m", key="k")}, ("ConfigMap", "m")),
        ({"env": env("secretKeyRef", name="s", key="k")}, ("Secret", "s")),
        ({"envFrom": [{"configMapRef": {"name": "m"}}]}, ("ConfigMap", "m")),
        ({"envFrom": [{"prefix": "P", "secretRef": {"name": "s"}}]}, ("Secret", "s")),
    ],
)
def test_environments_name_them_in_all_kinds_of_containers(kind, container, expected):
    assert found(**{kind: [{"name": "c"}, container]}) == [expected]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "m"}}, ("ConfigMap", "m")),
        ({"secret": {"secretName": "s"}}, ("Secret", "s")),
        ({"projected": {"sources": [{"configMap": {"name": "m"}}]}}, ("ConfigMap", "m")),
        ({"projected": {"sources": [{"secret": {"name": "s"}}]}}, ("Secret", "s")),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}, ("Secret", "s")),
        ({"azureFile": {"secretName": "s"}}, ("Secret", "s")),
        *[
            ({driver: {"secretRef": {"name": "s"}}}, ("Secret", "s"))
            for driver in ("cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")
        ],
    ],
)
def test_volumes_name_them(volume, expected):
    assert found(volumes=[{"name": "v", **volume}, {"name": "w", "emptyDir": {}}]) == [expected]


def test_image_pull_secrets_are_dependencies():
    assert found(imagePullSecrets=[{"name": "registry"}, {}]) == [("Secret", "registry")]


def test_each_is_named_once_in_order():
    spec = {
        "imagePullSecrets": [{"name": "z"}, {"name": "a"}],
        "containers": [
            {"envFrom": [{"secretRef": {"name": "z"}}, {"configMapRef": {"name": "z"}}]}
        ],
    }

    assert dependencies(msgspec.convert(spec, References)) == (
        Dependency(kind="ConfigMap", name="z"),
        Dependency(kind="Secret", name="a"),
        Dependency(kind="Secret", name="z"),
    )


def test_token_and_api_projections_are_no_dependencies():
    sources = [{"serviceAccountToken": {"path": "token"}}, {"downwardAPI": {"items": []}}]

    assert found(volumes=[{"name": "v", "projected": {"sources": sources}}]) == []
