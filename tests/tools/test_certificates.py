"""One authority signs for servers and clients."""

import datetime as dt

from cryptography import x509

from tools.certificates import Authority, signing_key


def test_a_client_is_its_common_name_in_its_organisations(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.client("admin", "ada", ("system:masters",))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    signer = x509.load_pem_x509_certificate(authority.pair.certificate.read_bytes())
    certificate.verify_directly_issued_by(signer)
    assert certificate.subject.rfc4514_string() == "CN=ada,O=system:masters"
    assert certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) > dt.timedelta(days=1)


def test_a_server_is_known_by_name_and_address(tmp_path):
    pair = Authority(tmp_path).server("server", ["localhost"], ["127.0.0.1"])
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_keys_are_for_their_owner_only(tmp_path):
    authority = Authority(tmp_path)
    for key in (authority.pair.key, signing_key(tmp_path).key):
        assert key.stat().st_mode & 0o077 == 0
