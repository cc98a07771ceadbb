"""Certificates of a test's own authority, as files that Redis and its clients read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class Authority:
    """Signs certificates, and writes them into a directory.

    Attributes:
        ca: the file by which others know it.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        self._name = name
        self.ca = directory / f"{name}-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, *hosts: str, is_expired: bool = False) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key.

        Args:
            hosts: names and addresses that stand in it.
            is_expired: whether its time is over.
        """
        until = datetime.now(UTC) + timedelta(days=-1 if is_expired else 1)
        issued = self._authority.issue_cert(*hosts, not_before=until - timedelta(days=9), not_after=until)
        name = f"{self._name}-{'-'.join(hosts)}{'-expired' if is_expired else ''}".replace(":", "_")
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}-key.pem"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
