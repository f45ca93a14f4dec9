"""The command line finds its own server behind TLS, and trusts nobody else's certificate."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.cli.reach import reach
from api.errors import Refused
from api.server import Server
from api.settings import Settings


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for a name; paths of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    cert, key = certificate(tmp_path, "push.example.org")
    settings = Settings(port=0, tls_cert=cert, tls_key=key, public_url="https://push.example.org")
    async with Server.open(tmp_path / "data", settings) as server:
        await server.listen()
        yield server


def health(data: Path, server: str = "", key: str = "") -> str:
    with reach(data, server, key) as client:
        status: str = client.get("/healthz")["status"]
        return status


async def test_a_server_of_this_directory_is_reached_whatever_name_its_certificate_is_for(
    server: Server,
) -> None:
    assert await asyncio.to_thread(health, server.data) == "ok"


async def test_a_server_elsewhere_must_prove_who_it_is(server: Server) -> None:
    with pytest.raises(Refused, match="certificate verify failed"):
        await asyncio.to_thread(health, server.data, server.local_address, "balise_admin_x")
