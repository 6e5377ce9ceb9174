"""A certificate for 127.0.0.1 that nobody but a test trusts."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path


def self_signed(folder: Path) -> Path | None:
    """Certificate and key in one file; None where there is no openssl to make them."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    """The client's side: this one certificate and no other."""
    return ssl.create_default_context(cafile=str(certificate))
