"""How to reach NATS and who we are there: URL, credentials, TLS, and errors that tell the remedy.

Nkeys are Ed25519 seeds in base32; ``cryptography``, which mcs has anyway, signs with them, so the
``nkeys`` package (and libsodium) is not needed.
Source of the formats: NATS' ADR-14 (JWT, creds files) and nkeys' README (prefix byte layout).
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import msgspec

from mcs.errors import BadSettings

if TYPE_CHECKING:  # seven MiB, for those that have an nkey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_USER_PREFIX = 20 << 3
_SEED_BYTES = slice(2, 34)


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials and TLS files; empty means not used. At most one kind of credentials."""

    creds_file: str = ""
    nkey_file: str = ""
    user: str = ""
    password: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class LoginOptions(TypedDict, total=False):
    """What nats-py's ``connect`` takes of a login."""

    user: str
    password: str
    tls: ssl.SSLContext
    signature_cb: Callable[[str], bytes]
    user_jwt_cb: Callable[[], bytearray]


def login_options(login: Login) -> tuple[LoginOptions, str]:
    """Options for nats-py, and the public nkey (empty unless ``nkey_file`` is given).

    Files are read at once, so that a wrong one is told before anything is tried.

    Raises:
        BadSettings: a file that cannot be read or is not what it should be; or two credentials.
    """
    if sum(map(bool, (login.creds_file, login.nkey_file, login.user))) > 1:
        raise BadSettings("give one of credentials file, nkey file and user, not several")
    options = LoginOptions()
    public = ""
    if login.creds_file:
        jwt, seed = _creds(login.creds_file)
        key = _private_key(seed, login.creds_file)
        options["user_jwt_cb"] = lambda: bytearray(jwt.encode())
        options["signature_cb"] = lambda nonce: base64.b64encode(key.sign(nonce.encode()))
    elif login.nkey_file:
        key = _private_key(_text(login.nkey_file).strip(), login.nkey_file)
        public = _public_key(key)
        options["signature_cb"] = lambda nonce: base64.b64encode(key.sign(nonce.encode()))
    elif login.user:
        options["user"] = login.user
        options["password"] = login.password
    if login.tls_ca or login.tls_cert:
        options["tls"] = _tls(login)
    return options, public


def shown(url: str) -> str:
    """A URL without the password that may be in it, for messages."""
    return re.sub(r"//[^/@,]*@", "//", url)


def _creds(path: str) -> tuple[str, str]:
    text = _text(path)
    jwt = re.search(r"BEGIN NATS USER JWT-+\s*([\w.-]+)\s", text)
    seed = re.search(r"BEGIN USER NKEY SEED-+\s*(\w+)\s", text)
    if jwt is None or seed is None:
        raise BadSettings(f"{path} is not a NATS credentials file (a user JWT and an nkey seed)")
    return jwt[1], seed[1]


def _private_key(seed: str, path: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
        return Ed25519PrivateKey.from_private_bytes(raw[_SEED_BYTES])
    except ValueError:
        raise BadSettings(f"{path} holds no nkey seed (SU…)") from None


def _public_key(key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    body = bytes([_USER_PREFIX]) + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b32encode(body + _crc16(body).to_bytes(2, "little")).decode().rstrip("=")


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM, which closes an nkey."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def _tls(login: Login) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=login.tls_ca or None)
        if login.tls_cert:
            context.load_cert_chain(login.tls_cert, login.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(filter(None, (login.tls_ca, login.tls_cert, login.tls_key)))
        raise BadSettings(f"cannot use the TLS files {files}: {error}") from error
    return context


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read {path}: {error}") from error
