"""Kubeconfig files as kubectl reads them."""

import base64
import json
import os

import pytest

from mcs.adapters.kubeconfig import find
from mcs.errors import BadSettings


def written(folder, **content):
    folder.mkdir(exist_ok=True)
    file = folder / "config"
    file.write_text(json.dumps(content))
    return str(file)


def one(name, **user):
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}}],
        "users": [{"name": name, "user": user}],
    }


def test_of_several_files_the_first_to_give_a_name_wins(tmp_path):
    first = written(tmp_path / "1", **one("a", token="first"))
    second = written(tmp_path / "2", **one("a", token="second"))
    third = written(tmp_path / "3", **one("b", token="third"))
    paths = os.pathsep.join((first, str(tmp_path / "absent"), second, third))

    assert find(paths, None).user.token == "first"
    assert find(paths, "b").server.server == "https://b"


def test_files_stand_beside_the_kubeconfig_that_names_them(tmp_path):
    content = one("a", **{"tokenFile": "t", "client-certificate": "/c.crt", "client-key": "k"})
    content["clusters"][0]["cluster"]["certificate-authority"] = "pki/ca.crt"
    named = find(written(tmp_path, **content), None)

    assert named.server.certificate_authority == str(tmp_path / "pki" / "ca.crt")
    assert named.user.token_file == str(tmp_path / "t")
    assert named.user.client_certificate == "/c.crt"


def test_data_is_base64(tmp_path):
    text = base64.b64encode(b"PEM").decode()
    assert find(
        written(tmp_path, **one("a", **{"client-key-data": text})), None
    ).user.client_key_data == (b"PEM")
    with pytest.raises(BadSettings, match="client-key-data"):
        find(written(tmp_path, **one("a", **{"client-key-data": "?"})), None)


def test_fields_that_are_not_ours_and_empty_ones_are_passed_over(tmp_path):
    content = {**one("a"), "kind": "Config", "preferences": {}, "extensions": None}
    content["users"] = None
    content["clusters"][0]["cluster"]["certificate-authority"] = None

    assert find(written(tmp_path, **content), None).user.token is None


def test_a_context_is_named_or_current(tmp_path):
    content = one("a")
    del content["current-context"]
    with pytest.raises(BadSettings, match=r"has no current context; it has: a \(pass --context\)"):
        find(written(tmp_path, **content), None)
    assert find(written(tmp_path, **content), "a").server.server == "https://a"


def test_auth_providers_are_refused_with_what_took_their_place(tmp_path):
    content = one("a", **{"auth-provider": {"name": "oidc"}})
    with pytest.raises(BadSettings, match=r"auth-provider is not supported.*: use exec"):
        find(written(tmp_path, **content), None)
