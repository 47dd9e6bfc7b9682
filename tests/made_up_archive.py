# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make a distribution's archive in a folder: packages of made-up kernels, lists, a signature."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tracing import eventually

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
IMAGE_BYTES = 1_200_000


def vmlinuz(release: str) -> bytes:
    """Return an image with an x86 header, as release_of() reads it; the rest is incompressible."""
    head = bytearray(0x1000)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x300).to_bytes(2, "little")
    head[0x500 : 0x500 + len(release) + 9] = f"{release} (made up".encode()[: len(release) + 9]
    return bytes(head) + os.urandom(IMAGE_BYTES)


def arm64_image() -> bytes:
    """Return an Image with the header of arm64."""
    return b"MZ".ljust(0x38, b"\0") + b"ARMd" + os.urandom(IMAGE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Hold the contents of one package."""

    name: str
    version: str
    files: dict[str, bytes] = field(default_factory=dict)


def whole(release: str, version: str, *, modules: int = 3) -> Contents:
    """Return a kernel in one package, modules compressed, as Debian had it until 6.18."""
    folder = f"lib/modules/{release}/kernel"
    files = {f"{folder}/fs/module{i}.ko.xz": lzma.compress(b"module") for i in range(modules)}
    return Contents(
        name=f"linux-image-{release}",
        version=version,
        files={
            f"boot/vmlinuz-{release}": vmlinuz(release),
            f"boot/config-{release}": b"CONFIG_PREEMPT_RT=y\n",
            f"{folder}/drivers/gpu/big.ko.xz": lzma.compress(b"nothing for a guest"),
            **files,
        },
    )


def split(release: str, version: str, *, modules: bool = True) -> list[Contents]:
    """Return a kernel in three packages, below usr/lib, as Debian has it since 7.2."""
    folder = f"usr/lib/modules/{release}"
    packages = {
        "image": {},
        "binary": {f"{folder}/vmlinuz": vmlinuz(release)},
        "modules": {f"{folder}/kernel/fs/module.ko.xz": lzma.compress(b"module")},
        "base": {f"{folder}/config": b"CONFIG_PREEMPT=y\n", f"{folder}/modules.order": b""},
    }
    left = ("image", "binary", "modules", "base") if modules else ("image", "binary")
    return [
        Contents(name=f"linux-{kind}-{release}", version=version, files=packages[kind])
        for kind in left
    ]


class Archive:
    """Make an archive with one suite, ``kernels``, in ``folder``, signed with a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keyring = folder / "keyring.gpg"
        self._pool = folder / "pool"
        self._suite = folder / "dists/kernels"
        self._pool.mkdir(parents=True)
        # A folder with a short name: GnuPG's agent makes a socket there.
        self._home = Path(tempfile.mkdtemp(prefix="gpg"))
        self._gpg("--passphrase", "", "--quick-generate-key", "made up", "ed25519", "sign", "never")
        self._gpg("--output", self.keyring, "--export")

    def close(self) -> None:
        """End GnuPG's agent."""
        subprocess.run(["gpgconf", "--homedir", self._home, "--kill", "all"], check=True)
        assert eventually(lambda: not [*self._home.glob("S.*")])  # it removes its sockets last
        shutil.rmtree(self._home)

    def publish(self, *packages: Contents) -> None:
        """Make packages and lists, and sign them."""
        stanzas = [self._package(package) for package in packages]
        self.sign("\n".join(stanzas))

    def sign(self, packages: str) -> None:
        """Write and sign a list."""
        name = f"main/binary-{ARCH}/Packages"
        path = self._suite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(packages)
        sha = hashlib.sha256(packages.encode()).hexdigest()
        release = self._suite / "Release"
        release.write_text(
            f"Suite: kernels\nCodename: kernels\nComponents: main\nArchitectures: {ARCH}\n"
            "Date: Sat, 01 Nov 2025 00:00:00 UTC\n"
            f"SHA256:\n {sha} {len(packages.encode())} {name}\n"
        )
        inrelease = self._suite / "InRelease"
        inrelease.unlink(missing_ok=True)
        self._gpg("--output", inrelease, "--clearsign", release)
        release.unlink()

    def toml(self, *suites: str, keyring: Path | None = None) -> str:
        """Return what to write into kernels.toml."""
        return (
            f'use = []\n[[archive]]\nname = "Made up"\nuri = "file:{self.folder}"\n'
            f"suites = {list(suites or ('kernels',))}\n"
            f'keyring = "{keyring or self.keyring}"\n'
        )

    def file_of(self, package: str) -> Path:
        """Return a package's file."""
        return self._pool / f"{package}.deb"

    def _package(self, package: Contents) -> str:
        with tempfile.TemporaryDirectory() as name:
            tree = Path(name)
            tree.chmod(0o755)
            for path, content in package.files.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(content)
            fields = (
                f"Package: {package.name}\nVersion: {package.version}\nArchitecture: {ARCH}\n"
                "Maintainer: nobody <nobody@example.org>\nDescription: made up\n"
            )
            (tree / "DEBIAN").mkdir()
            (tree / "DEBIAN/control").write_text(fields)
            deb = self.file_of(package.name)
            subprocess.run(
                ["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, deb],
                check=True,
                capture_output=True,
            )
        installed = sum(len(content) for content in package.files.values())
        return (
            f"{fields}Installed-Size: {installed // 1024 + 1}\nSize: {deb.stat().st_size}\n"
            f"Filename: pool/{deb.name}\n"
            f"SHA256: {hashlib.sha256(deb.read_bytes()).hexdigest()}\n"
        )

    def _gpg(self, *words: str | Path) -> None:
        subprocess.run(
            ["gpg", "--homedir", self._home, "--batch", "--quiet", *words],
            check=True,
            capture_output=True,
        )
