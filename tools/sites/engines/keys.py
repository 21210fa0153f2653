"""Keys and certificates for one federation: an authority of its own, a certificate for the server, a key pair for each site.

Where a company has an authority of its own, its files take these places. Needs `cryptography`, which Flower brings.
"""

import datetime
import ipaddress
import os
from pathlib import Path

DAYS = 365
CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.pem", "server.pem", "server.key"


def make_certificates(folder: Path, address: str = "127.0.0.1") -> None:
    """Writes the authority's certificate, and the server's certificate and key for that address, a name or an IP number. Keys are readable
    by their owner alone, and the authority's is not kept: nobody can make another certificate for this federation."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    now = datetime.datetime.now(datetime.UTC)
    authority, server = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named("Stratos sites"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=DAYS))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )

    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    own = certificate("Stratos sites", authority, is_authority=True).add_extension(usage, critical=True)
    try:
        named_as: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        named_as = x509.DNSName(address)
    names = x509.SubjectAlternativeName([named_as, x509.DNSName("localhost")])
    servers = certificate(address, server, is_authority=False).add_extension(names, critical=False)
    folder.mkdir(parents=True, exist_ok=True)
    pem = serialization.Encoding.PEM
    (folder / CA_FILE).write_bytes(own.sign(authority, hashes.SHA256()).public_bytes(pem))
    (folder / CERTIFICATE_FILE).write_bytes(servers.sign(authority, hashes.SHA256()).public_bytes(pem))
    private = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_private(folder / KEY_FILE, private)


def make_site_key(folder: Path, site: str) -> tuple[Path, Path]:
    """A site's key pair in OpenSSH's format: the private file, which stays with the site, and the public one, which is registered."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP384R1())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / site, folder / f"{site}.pub"
    _write_private(private, key.private_bytes(encoding, serialization.PrivateFormat.OpenSSH, plain))
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    return private, public


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
