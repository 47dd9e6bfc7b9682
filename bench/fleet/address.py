# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse addresses of schedulers, check them for loopback, and try them."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.errors import MachineUnfit, UsageError

PORT: Final = 8786
# Not "*": to getaddrinfo(3) that is loopback, to Dask every address of the machine.
_WRITTEN: Final = re.compile(
    r"(?:(?:tcp|tls)://)?(?:\[([\w.:%-]+)\]|([\w.-]+))(?::([0-9]{1,5}))?/?"
)
_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Hold a host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def uri(self, *, tls: bool) -> str:
        """Return the address in Dask's form."""
        return f"{'tls' if tls else 'tcp'}://{self}"

    def on_loopback(self) -> Address | None:
        """Return the address as a number; None unless all addresses of the host are loopback."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageError(f"{self.host} has no address: {_why(error)}") from error
        numbers = {ipaddress.ip_address(each[4][0]) for each in found}
        if not all(each.is_loopback for each in numbers):
            return None
        return replace(self, host=str(min(numbers, key=attrgetter("version"))))

    def without_tls(self) -> Address:
        """Return the address as a number: a name may change. UsageError off loopback."""
        found = self.on_loopback()
        if found is None:
            raise UsageError(
                f"{self} is not loopback, and a client of a scheduler can run code on its workers",
                remedy="make certificates with bufbench fleet certificates, add --certificates",
            )
        return found

    def refused(self, what: str) -> MachineUnfit:
        """Return the error of a scheduler that does not accept this worker or client."""
        return MachineUnfit(
            f"what listens at {self} is no scheduler that accepts this {what}",
            remedy="use its own certificates, on both sides or on neither",
        )

    def reached_from(self) -> str:
        """Return this machine's address towards the scheduler, in Dask's form: "[::1]" for IPv6.

        MachineUnfit if nothing answers.
        """
        try:
            with socket.create_connection((self.host, self.port), timeout=_ANSWER_S) as probe:
                own = str(probe.getsockname()[0])
                return f"[{own}]" if ":" in own else own
        except (OSError, UnicodeError) as error:
            raise MachineUnfit(
                f"no scheduler at {self}: {_why(error)}",
                remedy="start one there with bufbench fleet scheduler",
            ) from error


def parse(text: str) -> Address:
    """Return the address that ``text`` names: HOST, HOST:PORT, [IPv6]:PORT, also with tls://."""
    found = _WRITTEN.fullmatch(text)
    port = int(found[3] or PORT) if found else 0
    if found is None or port > 65535:
        raise UsageError(f"{text!r} is not an address", remedy=f"write it like 10.0.0.1:{PORT}")
    return Address(host=found[1] or found[2], port=port)


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
