"""Manifests parse, and give the least rights that work."""

import pytest
import yaml

from mcs import deployment
from mcs.deployment import Deployed

SETTINGS = Deployed(image="r/mcs:1", namespace="mcs-system", nats="nats://nats:4222")


def objects(text):
    return [item for item in yaml.safe_load_all(text) if item]


def kinds(text):
    return [item["kind"] for item in objects(text)]


def of_kind(text, kind):
    return [item for item in objects(text) if item["kind"] == kind]


def rules():
    found = []
    for item in deployment.agent_rights("mcs-system"):
        found += item.get("rules", [])
    return found


def test_an_agent_needs_these():
    text = deployment.agent(SETTINGS, cluster="c1")

    assert sorted(set(kinds(text))) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


def test_a_mere_target_has_no_webhook_and_writes_nothing_but_delegates():
    text = deployment.agent(SETTINGS, cluster="c1", roles=("target",))

    admission = {"MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "Service"}
    assert not admission & set(kinds(text))
    (role,) = of_kind(text, "ClusterRole")
    writing = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - {"get", "list", "watch"}
    }
    assert writing == {("pods", "create"), ("pods", "delete")}
    (found,) = of_kind(text, "Deployment")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {"name": "MCS_TARGET", "value": "true"} in container["env"]
    assert [port["name"] for port in container["ports"]] == ["metrics"]


def test_a_mere_source_creates_no_pods():
    text = deployment.agent(SETTINGS, cluster="c1", roles=("source",))

    (role,) = of_kind(text, "ClusterRole")
    (rule,) = [rule for rule in role["rules"] if rule["resources"] == ["pods"]]
    assert rule["verbs"] == ["get", "list", "watch", "delete"]
    assert "MutatingWebhookConfiguration" in kinds(text)


def test_a_scheduler_has_no_rights_and_no_token():
    text = deployment.scheduler(SETTINGS)

    assert kinds(text) == ["Namespace", "ServiceAccount", "Deployment"]
    (found,) = of_kind(text, "Deployment")
    assert found["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_no_rule_has_a_wildcard():
    text = yaml.safe_dump(rules())

    assert "*" not in text
    assert all(rule["verbs"] and rule["resources"] for rule in rules())


def test_secrets_and_registrations_are_reached_by_name_only():
    for rule in rules():
        if rule["verbs"] == ["create"]:
            continue  # Kubernetes cannot limit it to names
        if {"secrets"} & set(rule["resources"]) or "admissionregistration" in rule["apiGroups"][0]:
            assert rule["resourceNames"], rule
        assert "secrets" not in rule["resources"] or "list" not in rule["verbs"]


def test_a_foreign_certificate_is_only_read():
    text = deployment.agent(SETTINGS, cluster="c1", own_certificate=False)

    verbs = [
        rule["verbs"]
        for role in of_kind(text, "Role")
        for rule in role["rules"]
        if rule["resources"] == ["secrets"]
    ]
    assert verbs == [["get"]]
    (found,) = of_kind(text, "Deployment")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {"name": "MCS_FOREIGN_CERTIFICATE", "value": "true"} in container["env"]


def test_the_agents_own_bundle_is_not_overwritten_by_applying_again():
    (webhook,) = of_kind(deployment.agent(SETTINGS, cluster="c1"), "MutatingWebhookConfiguration")

    assert "caBundle" not in webhook["webhooks"][0]["clientConfig"]


def test_roles_are_bound_to_the_account_that_the_deployment_uses():
    text = deployment.agent(SETTINGS, cluster="c1")
    (found,) = of_kind(text, "Deployment")
    account = found["spec"]["template"]["spec"]["serviceAccountName"]
    (named,) = of_kind(text, "ServiceAccount")

    for binding in of_kind(text, "ClusterRoleBinding") + of_kind(text, "RoleBinding"):
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": account, "namespace": "mcs-system"}
    assert named["metadata"]["name"] == account


@pytest.mark.parametrize("make", [deployment.scheduler, None])
def test_pods_run_without_privileges(make):
    text = make(SETTINGS) if make else deployment.agent(SETTINGS, cluster="c1")
    (found,) = of_kind(text, "Deployment")
    spec = found["spec"]["template"]["spec"]
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == "r/mcs:1"
    assert {"name": "MCS_NATS", "value": "nats://nats:4222"} in container["env"]


def test_a_service_monitor_finds_the_metrics():
    settings = Deployed(image="i", namespace="ns", nats="n", service_monitor=True)
    text = deployment.scheduler(settings)

    (monitor,) = of_kind(text, "ServiceMonitor")
    (service,) = of_kind(text, "Service")
    (found,) = of_kind(text, "Deployment")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    labels = found["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels


def test_every_environment_variable_is_an_option_of_the_command():
    from mcs.commands.running import agent, scheduler

    for command, text in (
        (agent, deployment.agent(SETTINGS, cluster="c1", own_certificate=False)),
        (agent, deployment.agent(SETTINGS, cluster="c1", roles=("target",))),
        (agent, deployment.agent(SETTINGS, cluster="c1", roles=("source",))),
        (scheduler, deployment.scheduler(SETTINGS)),
    ):
        known = {option.envvar for option in command.params}
        (found,) = of_kind(text, "Deployment")
        (container,) = found["spec"]["template"]["spec"]["containers"]
        assert {each["name"] for each in container["env"]} <= known
