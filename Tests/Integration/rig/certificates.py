"""Certificates for a test, made with the openssl command."""

import base64
import hashlib
import subprocess
from pathlib import Path


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


class Authority:
    """Signs certificates; its own is `file`."""

    def __init__(self, directory: Path, name: str = "Test CA") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.file = directory / "ca.pem"
        self.key = directory / "ca.key"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", str(self.key), "-out", str(self.file))  # fmt: skip

    def issue(self, name: str, *, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 1) -> tuple[Path, Path]:
        """A certificate and its key; negative days make an expired one."""
        certificate, key, request = (self.directory / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(request))  # fmt: skip
        if days > 0:
            times = ["-days", str(days)]
            openssl(
                "x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self.key), *times,
                "-copy_extensions", "copy", "-out", str(certificate))  # fmt: skip
        else:
            # Only `ca` can say when a certificate begins.
            index = self.directory / "index.txt"
            index.write_text("")
            (self.directory / "index.txt.attr").write_text("unique_subject = no\n")
            (self.directory / "serial").write_text("01\n")
            settings = self.directory / "ca.cnf"
            settings.write_text(
                f"[ca]\ndefault_ca=this\n[this]\ndatabase={index}\nserial={self.directory}/serial\nnew_certs_dir={self.directory}\n"
                "default_md=sha256\npolicy=any\ncopy_extensions=copy\n[any]\ncommonName=supplied\n")
            openssl(
                "ca", "-batch", "-config", str(settings), "-cert", str(self.file), "-keyfile", str(self.key),
                "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-in", str(request),
                "-out", str(certificate))  # fmt: skip
        return certificate, key


def key_pin(certificate: Path) -> str:
    """The base64 SHA-256 of a certificate's public key (RFC 7469 2.4), by which Chromium can be told to trust it."""
    key = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
