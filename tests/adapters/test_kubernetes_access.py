"""Finding an API server and its credentials; what is wrong is said with the remedy."""

import base64
import json

import pytest

from mcs.adapters import kubernetes_access
from mcs.adapters.kubernetes_access import load
from mcs.errors import BadSettings
from tools.certificates import Authority


def kubeconfig(folder, user=None, **cluster):
    file = folder / "kubeconfig"
    config = {
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u"}},
            {"name": "lost", "context": {"cluster": "nowhere", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1/", **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    file.write_text(json.dumps(config))
    return str(file)


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def test_a_kubeconfig_tells_where_and_who(tmp_path):
    access = await load(kubeconfig(tmp_path, {"token": "t"}), None)

    assert access.url == "http://127.0.0.1:1"
    assert await access.authorization() == "Bearer t"


async def test_kubeconfig_is_found_as_kubectl_finds_it(tmp_path, monkeypatch):
    with pytest.raises(BadSettings, match=r"there is no kubeconfig .*config; pass --kubeconfig"):
        await load(None, None)
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path))
    assert (await load(None, "main")).url


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("absent", "has no context 'absent'; it has: main, lost"),
        ("lost", "context 'lost': .*nowhere"),
    ],
)
async def test_a_wrong_context_is_named_with_the_right_ones(tmp_path, context, words):
    with pytest.raises(BadSettings, match=words):
        await load(kubeconfig(tmp_path), context)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "contexts: 7", "\x00"])
async def test_a_file_that_is_no_kubeconfig_is_named(tmp_path, text):
    file = tmp_path / "odd"
    file.write_text(text)
    with pytest.raises(BadSettings, match=r"kubeconfig .*odd"):
        await load(str(file), None)


async def test_bad_certificates_are_named(tmp_path):
    (tmp_path / "ca").write_text("nonsense")
    file = kubeconfig(
        tmp_path, server="https://127.0.0.1:1", **{"certificate-authority": str(tmp_path / "ca")}
    )
    with pytest.raises(BadSettings, match=r"certificates of https://127.0.0.1:1 .*kubeconfig"):
        await load(file, None)


async def test_a_name_and_password_are_told(tmp_path):
    access = await load(kubeconfig(tmp_path, {"username": "u", "password": "p"}), None)
    assert await access.authorization() == "Basic dTpw"


@pytest.mark.parametrize("form", ["files", "data", "exec"])
async def test_a_client_certificate_is_taken_from_wherever_it_is(tmp_path, form):
    authority = Authority(tmp_path)
    pair = authority.client("client", "u")
    certificate, key = (file.read_bytes() for file in (pair.certificate, pair.key))
    answer = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    api = "client.authentication.k8s.io/v1"
    text = json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": answer})
    user = {
        "files": {"client-certificate": "client.crt", "client-key": "client.key"},
        "data": {"client-certificate-data": b64(certificate), "client-key-data": b64(key)},
        "exec": {"exec": {"apiVersion": api, "command": "echo", "args": [text]}},
    }[form]
    trust = b64(authority.pair.certificate.read_bytes())
    https = {"server": "https://127.0.0.1:1", "certificate-authority-data": trust}
    access = await load(kubeconfig(tmp_path, user, **https), None)
    assert access.tls is not None
    assert len(access.tls.get_ca_certs()) == 1
    assert await access.authorization() == ""

    pair.key.write_text("nonsense")
    if form == "files":
        with pytest.raises(BadSettings, match="certificates of https"):
            await load(kubeconfig(tmp_path, user, **https), None)


async def test_a_token_file_is_read_again(tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("one")
    access = await load(kubeconfig(tmp_path, {"tokenFile": str(token)}), None)
    assert await access.authorization() == "Bearer one"
    token.write_text("two")
    assert await access.authorization() == "Bearer one"  # not at each request
    monkeypatch.setattr(access, "_next_look", 0.0)
    assert await access.authorization() == "Bearer two"


@pytest.mark.parametrize(
    ("expiry", "runs"),
    [(None, 1), ("2020-01-01T00:00:00Z", 2), ("2100-01-01T00:00:00Z", 1)],
    ids=["none", "past", "future"],
)
async def test_an_exec_plugin_runs_again_when_its_token_ends(tmp_path, monkeypatch, expiry, runs):
    log, answer = tmp_path / "log", tmp_path / "answer"
    given = {"token": "t", **({"expirationTimestamp": expiry} if expiry else {})}
    api = "client.authentication.k8s.io/v1"
    answer.write_text(json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": given}))
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho x >> {log}\ncat {answer}\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": api, "command": str(plugin), "interactiveMode": "Never"}}
    access = await load(kubeconfig(tmp_path, user), None)
    assert await access.authorization() == "Bearer t"
    monkeypatch.setattr(access, "_next_look", 0.0)
    assert await access.authorization() == "Bearer t"
    assert log.read_text().count("x") == runs

    await access.renew()  # it was refused: whatever its expiry
    assert log.read_text().count("x") == runs + 1


async def test_a_renewal_is_not_repeated_at_once(tmp_path):
    access = await load(kubeconfig(tmp_path, {"token": "one"}), None)
    kubeconfig(tmp_path, {"token": "two"})
    await access.renew()
    assert await access.authorization() == "Bearer two"
    kubeconfig(tmp_path, {"token": "three"})
    await access.renew()  # many requests may have been refused together
    assert await access.authorization() == "Bearer two"


async def test_a_service_account_is_used_inside_a_pod(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(kubernetes_access, "SECRETS", tmp_path)
    with pytest.raises(BadSettings, match="service account cannot be used"):
        await load(None, None)
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_bytes(Authority(tmp_path).pair.certificate.read_bytes())
    access = await load(None, None)
    assert access.url == "https://10.0.0.1:443"
    assert await access.authorization() == "Bearer one"

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert (await load(None, None)).url == "https://[fd00::1]:443"
