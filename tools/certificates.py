"""The keys and certificates of one control plane: made in milliseconds, valid for two days.

One authority signs everything: the API server's certificate, and client certificates whose common
name is the user and whose organisations are its groups, which is how Kubernetes reads them.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALIDITY = dt.timedelta(days=2)
_BACKDATED = dt.timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that keeps all it makes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("mcs test authority", ())
        builder = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        self.pair = _write(folder / "ca", certificate, self._key)

    def server(self, file: str, names: list[str], addresses: list[str]) -> Pair:
        """A certificate for a server known by these names and IP addresses."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(text)) for text in addresses]
        extension = x509.SubjectAlternativeName(alternatives)
        return self._issue(file, names[0], (), ExtendedKeyUsageOID.SERVER_AUTH, extension)

    def client(self, file: str, user: str, groups: tuple[str, ...] = ()) -> Pair:
        """A certificate that makes its bearer this user, in these groups."""
        return self._issue(file, user, groups, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        file: str,
        name: str,
        groups: tuple[str, ...],
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, groups), self._name, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return _write(self.folder / file, builder.sign(self._key, hashes.SHA256()), key)


def signing_key(folder: Path) -> Pair:
    """The key pair that signs service-account tokens; the "certificate" is the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = folder / "service-accounts.pub"
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return Pair(certificate=public, key=_write_key(folder / "service-accounts.key", key))


def _name(common_name: str, organisations: tuple[str, ...]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in organisations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALIDITY)
    )


def _write(base: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    path = base.with_suffix(".crt")
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Pair(certificate=path, key=_write_key(base.with_suffix(".key"), key))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
