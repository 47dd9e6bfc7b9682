# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make OCI images: layouts in a folder, as skopeo copies them there, and a local registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from made_up_archive import ARCH

OTHER_ARCH: Final = "arm64" if ARCH == "amd64" else "amd64"
_TAG: Final = "org.opencontainers.image.ref.name"
_MEDIA: Final = "application/vnd.oci.image"

Entry = bytes | str | tarfile.TarInfo
"""A file's content, a symbolic link's target, or any member of a tar archive."""


def layer(entries: Mapping[str, Entry]) -> bytes:
    """Return a layer as a tar archive, its members in order."""
    with io.BytesIO() as memory:
        with tarfile.open(fileobj=memory, mode="w") as archive:
            for name, entry in entries.items():
                if isinstance(entry, tarfile.TarInfo):
                    archive.addfile(entry)
                    continue
                member = tarfile.TarInfo(name)
                if isinstance(entry, str):
                    member.type, member.linkname = tarfile.SYMTYPE, entry
                    archive.addfile(member)
                else:
                    member.size = len(entry)
                    archive.addfile(member, io.BytesIO(entry))
        return memory.getvalue()


def packed(tar: bytes, form: str) -> bytes:
    """Return a layer as images have it: compressed by gzip or zstd, or as it is."""
    if form == "zstd":
        return subprocess.run(["zstd", "-c"], input=tar, check=True, capture_output=True).stdout
    return gzip.compress(tar) if form == "gzip" else tar


class Layout:
    """Make an OCI layout in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._manifests: list[dict[str, Any]] = []
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._write()

    def add(self, tag: str, *layers: Mapping[str, Entry] | bytes, form: str = "gzip") -> None:
        """Add an image for this machine; a layer may be a blob that is damaged."""
        self.add_index(tag, [(ARCH, layers)], form=form, alone=True)

    def add_index(
        self,
        tag: str,
        images: Sequence[tuple[str, Sequence[Mapping[str, Entry] | bytes]]],
        *,
        form: str = "gzip",
        alone: bool = False,
    ) -> None:
        """Add an image for each architecture under one tag; ``alone``: without an index."""
        made = [self._image(architecture, layers, form) for architecture, layers in images]
        if not alone:
            for each, (architecture, _) in zip(made, images, strict=True):
                each["platform"] = {"architecture": architecture, "os": "linux"}
            kind = f"{_MEDIA}.index.v1+json"
            made = [self._json(kind, {"schemaVersion": 2, "mediaType": kind, "manifests": made})]
        made[0]["annotations"] = {_TAG: tag}
        self._manifests.append(made[0])
        self._write()

    def blob(self, digest: str) -> bytes | None:
        """Return a blob's content, if there is such a one."""
        path = self._blobs / digest.partition(":")[2]
        return path.read_bytes() if path.is_file() else None

    def blobs(self) -> list[Path]:
        """Return all blobs, the smallest first."""
        return sorted(self._blobs.iterdir(), key=lambda path: path.stat().st_size)

    def _image(
        self, architecture: str, layers: Sequence[Mapping[str, Entry] | bytes], form: str
    ) -> dict[str, Any]:
        tars = [each if isinstance(each, bytes) else layer(each) for each in layers]
        suffix = {"gzip": "+gzip", "zstd": "+zstd"}.get(form, "")
        kind = f"{_MEDIA}.layer.v1.tar{suffix}"
        blobs = [self._blob(kind, packed(tar, form)) for tar in tars]
        ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
        config = self._json(
            f"{_MEDIA}.config.v1+json",
            {
                "architecture": architecture,
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": ids},
            },
        )
        kind = f"{_MEDIA}.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": blobs}
        return self._json(kind, manifest)

    def _json(self, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return self._blob(kind, json.dumps(content).encode())

    def _blob(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def _write(self) -> None:
        index = {"schemaVersion": 2, "manifests": self._manifests}
        (self.folder / "index.json").write_text(json.dumps(index))


@contextmanager
def registry(layout: Layout, name: str, home: Path, *, private: bool = False) -> Iterator[str]:
    """Serve a layout as the repository ``name`` of a registry; yield its address.

    A user whose home is ``home`` talks to it without TLS.
    """
    index = json.loads((layout.folder / "index.json").read_text())["manifests"]
    tags = {each["annotations"][_TAG]: each for each in index}
    top = f"/v2/{name}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer as the distribution specification has it."""
            kind, _, last = self.path.removeprefix(f"{top}/").partition("/")
            blob = layout.blob(tags[last]["digest"] if last in tags else last)
            if private and self.path != "/v2/":
                self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
            elif self.path == "/v2/":
                self._answer(200, b"{}")
            elif self.path == f"{top}/tags/list":
                self._answer(200, json.dumps({"name": name, "tags": [*tags]}).encode())
            elif blob is None:
                code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
                self._answer(404, json.dumps({"errors": [{"code": code}]}).encode())
            else:
                self._answer(200, blob)

        do_HEAD = do_GET  # noqa: N815  http.server looks for it

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            media = json.loads(content).get("mediaType") if content[:1] == b"{" else None
            self.send_header("Content-Type", media or "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        place = f"127.0.0.1:{server.server_port}"
        (home / ".config/containers").mkdir(parents=True, exist_ok=True)
        (home / ".config/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{place}"\ninsecure = true\n'
        )
        yield f"{place}/{name}"
        server.shutdown()
        thread.join()


def ci_kernel(image: bytes, release: str) -> dict[str, Entry]:
    """Return what ci-kernels' images hold: a kernel without version in its name, test modules."""
    return {
        "boot/vmlinuz": image,
        "lib": "usr/lib",
        f"usr/lib/modules/{release}/build": "/usr/src/linux",
        f"usr/lib/modules/{release}/modules.builtin": b"",
        f"usr/lib/modules/{release}/updates/bpf_testmod.ko": b"a module",
    }


def lvh_kernel(image: bytes, release: str) -> dict[str, Entry]:
    """Return what little-vm-helper's images hold, above busybox's."""
    top = "data/kernels/6.12"
    return {
        "bin/busybox": b"busybox",
        f"{top}/boot/vmlinuz-{release}": image,
        f"{top}/boot/vmlinux-{release}": b"ELF",
        f"{top}/boot/config-{release}": b"CONFIG_BPF=y\n",
        f"{top}/boot/System.map-{release}": b"map",
        f"{top}/lib/modules/{release}/modules.order": b"kernel/fs/fuse.ko\n",
        f"{top}/lib/modules/{release}/kernel/fs/fuse.ko": b"a module",
        f"{top}/lib/modules/{release}/kernel/drivers/gpu/big.ko": b"nothing for a guest",
    }
