"""Credentials are read at once, signed with correctly, and never shown."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mcs.adapters.jetstream import connect
from mcs.adapters.jetstream_login import Login, login_options, shown
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings
from tools.certificates import Authority

# The pair that NATS' documentation shows.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_seed_gives_the_public_key_that_nats_gives(tmp_path):
    file = tmp_path / "user.nk"
    file.write_text(SEED + "\n")
    options, public = login_options(Login(nkey_file=str(file)))
    assert public == PUBLIC
    key = Ed25519PublicKey.from_public_bytes(base64.b32decode(PUBLIC)[1:33])
    key.verify(base64.b64decode(options["signature_cb"]("nonce")), b"nonce")


def test_a_credentials_file_gives_its_jwt_and_signs(tmp_path):
    file = tmp_path / "user.creds"
    file.write_text(
        "-----BEGIN NATS USER JWT-----\neyJ0.abc-_.def\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    )
    options, public = login_options(Login(creds_file=str(file)))
    assert bytes(options["user_jwt_cb"]()) == b"eyJ0.abc-_.def"
    assert len(base64.b64decode(options["signature_cb"]("nonce"))) == 64
    assert public == ""


@pytest.mark.parametrize("field", ["creds_file", "nkey_file", "tls_ca", "tls_cert"])
def test_a_file_that_is_missing_or_wrong_is_named(tmp_path, field):
    for name, text in (("missing", None), ("wrong", "rubbish")):
        file = tmp_path / name
        if text is not None:
            file.write_text(text)
        with pytest.raises(BadSettings, match=name):
            login_options(Login(**{field: str(file)}))


def test_two_credentials_are_one_too_many():
    with pytest.raises(BadSettings):
        login_options(Login(user="ann", nkey_file="x"))


def test_no_credentials_are_no_options():
    assert login_options(Login()) == ({}, "")
    assert login_options(Login(user="ann", password="p")) == (
        {"user": "ann", "password": "p"},
        "",
    )


def test_passwords_are_not_shown():
    assert shown("nats://ann:secret@a:4222,tls://b:1") == "nats://a:4222,tls://b:1"
    assert shown("nats://a:4222") == "nats://a:4222"


@pytest.mark.live
async def test_tls_is_trusted_by_the_given_ca_only(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.server("server", ["localhost"], ["127.0.0.1"])
    conf = tmp_path / "tls.conf"
    conf.write_text(
        f'tls {{ cert_file: "{pair.certificate}", key_file: "{pair.key}" }}\n'
        'jetstream { store_dir: "./data" }\n'
    )
    async with embedded_server(tmp_path / "store", config=conf) as server:
        url = server.url.replace("nats://", "tls://")
        log = await connect(url, login=Login(tls_ca=str(authority.pair.certificate)))
        assert (await apply_streams(log)).as_wanted
        await log.close()
        with pytest.raises(BadSettings, match="CA"):
            await connect(url)
