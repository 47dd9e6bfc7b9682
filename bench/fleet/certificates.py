# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make certificates of a fleet: one authority, and one certificate for each of its three parts.

Dask checks on both sides that the authority signed a certificate; host names are not checked.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from distributed.security import Security

from bench.errors import UsageError
from bench.host import ownership

_AUTHORITY: Final = "ca"
_NO_USE: Final = (
    *("content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "encipher_only", "decipher_only"),
)
_CLOCKS: Final = timedelta(days=2)  # a machine's clock may be behind


class Role(StrEnum):
    """Name the part of a fleet that a certificate is for."""

    SCHEDULER = "scheduler"
    WORKER = "worker"
    CLIENT = "client"


def make(folder: Path, *, days: int) -> tuple[Path, ...]:
    """Write the authority and a certificate of each role; return the files. Replaces no file."""
    names = [_AUTHORITY, *Role]
    files = [folder / name for each in names for name in (f"{each}.pem", f"{each}-key.pem")]
    if there := [each for each in files if each.exists()]:
        raise UsageError(f"{there[0]} is there already", remedy="choose another folder")
    authority = ec.generate_private_key(ec.SECP256R1())
    for name in names:
        key = authority if name == _AUTHORITY else ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(folder / f"{name}-key.pem", text, 0o600)
        _write(folder / f"{name}.pem", _certificate(name, key, authority, days), 0o644)
    return tuple(files)


def security(folder: Path, role: Role) -> Any:
    """Return Dask's Security for ``role`` from a folder's files; UsageError if one is unfit."""
    authority, certificate, key = (
        folder / name for name in (f"{_AUTHORITY}.pem", f"{role}.pem", f"{role}-key.pem")
    )
    _check_dates(certificate)
    if key.exists() and key.stat().st_mode & 0o077:
        raise UsageError(f"{key} can be read by others", remedy=f"chmod 600 {key}")
    found = Security(
        require_encryption=True,
        tls_ca_file=str(authority),
        **{f"tls_{role}_cert": str(certificate), f"tls_{role}_key": str(key)},
    )
    try:
        found.get_connection_args(role)
        found.get_listen_args(role)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the {role}'s certificate in {folder} cannot be used: {error.strerror or error}",
            remedy=f"it needs {authority.name}, {certificate.name} and {key.name}",
        ) from error
    return found


def _check_dates(certificate: Path) -> None:
    try:
        made = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "not a certificate"
        raise UsageError(
            f"{certificate} cannot be used: {why}",
            remedy="make certificates with bufbench fleet certificates",
        ) from error
    now = datetime.now(UTC)
    if not made.not_valid_before_utc <= now <= made.not_valid_after_utc:
        raise UsageError(
            f"{certificate} holds from {made.not_valid_before_utc:%Y-%m-%d} to "
            f"{made.not_valid_after_utc:%Y-%m-%d}, and it is {now:%Y-%m-%d} by this machine",
            remedy="set the clock, or make new ones with bufbench fleet certificates",
        )


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, days: int
) -> bytes:
    now = datetime.now(UTC)
    is_authority = name == _AUTHORITY
    issuer = authority.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(_AUTHORITY))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                **dict.fromkeys(_NO_USE, False),
            ),
            critical=True,
        )
    )
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"bufbench fleet {name}")])


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a new file, with this mode from the beginning."""
    ownership.make_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    ownership.hand_over(path)
