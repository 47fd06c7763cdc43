"""Programs that give credentials: what they are told, and what becomes of odd answers."""

import json

import pytest

from mcs.adapters.exec_plugin import credential
from mcs.adapters.kubeconfig import Exec, Server, Variable
from mcs.errors import BadSettings

API = "client.authentication.k8s.io/v1"
SERVER = Server(server="https://c1", certificate_authority_data=b"PEM")


@pytest.fixture
def plugin(tmp_path):
    """A program of these shell lines."""

    def write(*lines, **options):
        file = tmp_path / "plugin"
        file.write_text("\n".join(("#!/bin/sh", *lines)))
        file.chmod(0o755)
        return Exec(api_version=API, command=str(file), **options)

    return write


def answer(status, api=API):
    text = json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": status})
    return f"cat <<'END'\n{text}\nEND"


async def test_a_token_and_its_end_are_taken(plugin):
    status = {"token": "t", "expirationTimestamp": "2026-01-02T03:04:05Z"}
    given = await credential(plugin(answer(status)), SERVER)

    assert given.token == "t"
    assert given.expiration_timestamp.isoformat() == "2026-01-02T03:04:05+00:00"


async def test_a_certificate_is_taken(plugin):
    status = {"clientCertificateData": "C", "clientKeyData": "K"}
    given = await credential(plugin(answer(status)), SERVER)

    assert (given.client_certificate_data, given.client_key_data) == ("C", "K")


async def test_it_is_told_what_it_was_configured_with(plugin, tmp_path):
    told = tmp_path / "told"
    lines = [f'echo "$KUBERNETES_EXEC_INFO" "$COLOUR" "$1" > {told}', answer({"token": "t"})]
    options = {
        "args": ["now"],
        "env": [Variable(name="COLOUR", value="red")],
        "provide_cluster_info": True,
    }
    await credential(plugin(*lines, **options), SERVER)
    info, colour, argument = told.read_text().split()

    assert (colour, argument) == ("red", "now")
    assert json.loads(info)["spec"] == {
        "interactive": False,
        "cluster": {"server": "https://c1", "certificate-authority-data": "UEVN"},
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("echo no entry >&2; exit 3", r"ended with 3: no entry"),
        ("echo secret-token", r"answered no ExecCredential"),
        (answer({}), "neither a token nor a certificate"),
        (answer({"token": "t"}, "client.authentication.k8s.io/v1beta1"), "speaks .*v1beta1"),
    ],
    ids=["fails", "no json", "empty", "another version"],
)
async def test_an_answer_that_is_none_is_explained_without_its_text(plugin, line, words):
    with pytest.raises(BadSettings, match=words) as refused:
        await credential(plugin(line), SERVER)

    assert "secret-token" not in str(refused.value)


async def test_a_program_that_is_not_there_is_named(tmp_path):
    command = str(tmp_path / "absent")
    with pytest.raises(BadSettings, match=command):
        await credential(Exec(api_version=API, command=command), SERVER)
