"""The agent's own certificate authority and serving certificate, kept as a Secret's data.

A change of authority takes two steps, so that no API server ever meets a certificate it does not
trust yet: first the new authority joins the bundle beside the old one, and only when the
registration has had time to carry both is the serving certificate issued by the new one.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERTIFICATE: Final = "ca.crt"
CA_KEY: Final = "ca.key"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"

AUTHORITY_LIFE: Final = dt.timedelta(days=3650)
SERVING_LIFE: Final = dt.timedelta(days=90)
SETTLING: Final = dt.timedelta(minutes=10)  # registrations are looked after every minute
_BACKDATED: Final = dt.timedelta(hours=1)  # clocks differ
_COMMON_NAME: Final = "mcs webhook"
_Key = ec.EllipticCurvePrivateKey


class OwnAuthority:
    """Issues what a webhook known by ``hosts`` (DNS names and IP addresses) needs."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = tuple(hosts)

    def renewed(self, data: Mapping[str, bytes], now_s: float) -> dict[str, bytes] | None:
        """The Secret's data as it should be at ``now_s`` (Unix); None when it is so already.

        Whatever is missing, unreadable, due (after two thirds of its life) or made for other hosts
        is made anew.
        """
        now = dt.datetime.fromtimestamp(now_s, dt.UTC)
        authorities, key = _authorities(data, now)
        serving = _serving(data)
        if key is None or _is_due(authorities[0], now):
            new, key = _authority(now)
            authorities = [new, *authorities[:1]]
        newest = authorities[0]
        bundle = b"".join(_pem(authority) for authority in authorities)
        made = {CA_CERTIFICATE: bundle, CA_KEY: _key_pem(key)}
        if serving is not None and self._stays(serving, authorities, now):
            made |= {CERTIFICATE: data[CERTIFICATE], KEY: data[KEY]}
        else:
            certificate, private = _issue(newest, key, self._hosts, now)
            made |= {CERTIFICATE: _pem(certificate), KEY: _key_pem(private)}
        return None if made == dict(data) else made

    def _stays(
        self,
        serving: x509.Certificate,
        authorities: Sequence[x509.Certificate],
        now: dt.datetime,
    ) -> bool:
        """Whether this is the certificate to serve with: usable, and not due, unless its successor
        would come from an authority that may not be trusted everywhere yet.
        """
        newest = authorities[0]
        usable = (
            now < serving.not_valid_after_utc
            and _hosts(serving) == sorted(self._hosts)
            and any(_issued(serving, authority) for authority in authorities)
        )
        settling = len(authorities) > 1 and now < _made(newest) + SETTLING
        return usable and (settling or (_issued(serving, newest) and not _is_due(serving, now)))


def is_due(not_before_s: float, not_after_s: float, now_s: float) -> bool:
    """Whether two thirds of a certificate's life have passed (Unix seconds)."""
    return now_s >= not_before_s + (not_after_s - not_before_s) * 2 / 3


def _is_due(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return is_due(
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        now.timestamp(),
    )


def _made(certificate: x509.Certificate) -> dt.datetime:
    return certificate.not_valid_before_utc + _BACKDATED


def _authorities(
    data: Mapping[str, bytes], now: dt.datetime
) -> tuple[list[x509.Certificate], _Key | None]:
    """Authorities in force, the newest first, and its key; no key when they are unusable."""
    try:
        found = x509.load_pem_x509_certificates(data[CA_CERTIFICATE])
        key = serialization.load_pem_private_key(data[CA_KEY], password=None)
    except (KeyError, ValueError):
        return [], None
    if not isinstance(key, _Key) or found[0].public_key() != key.public_key():
        return [], None
    return [found[0], *(item for item in found[1:] if item.not_valid_after_utc > now)], key


def _serving(data: Mapping[str, bytes]) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(data[CERTIFICATE])
        key = serialization.load_pem_private_key(data[KEY], password=None)
    except (KeyError, ValueError):
        return None
    if not isinstance(key, _Key) or certificate.public_key() != key.public_key():
        return None
    return certificate


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(
        [
            *names.get_values_for_type(x509.DNSName),
            *map(str, names.get_values_for_type(x509.IPAddress)),
        ]
    )


def _authority(now: dt.datetime) -> tuple[x509.Certificate, _Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    # two authorities of one name would be mistaken for each other
    name = _name(f"mcs webhook authority {now:%Y-%m-%d %H:%M:%S}")
    builder = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _issue(
    authority: x509.Certificate, authority_key: _Key, hosts: Sequence[str], now: dt.datetime
) -> tuple[x509.Certificate, _Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(_COMMON_NAME), authority.subject, key, now, SERVING_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*map(_general, hosts)]), critical=False)
    )
    return builder.sign(authority_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, now: dt.datetime, life: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
