# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reach OCI images through skopeo, in registries and in folders.

Credentials, proxies, mirrors and certificates are configured for skopeo (containers-auth.json(5),
containers-registries.conf(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bench.amounts import given
from bench.errors import FetchFailed
from bench.guests.machines import own
from bench.host import process

ASK_S: Final = 60.0
_COPY_S: Final = 1800.0
_LARGEST_INDEX_BYTES: Final = 4 << 20
_SHOWN: Final = 8
VERSION: Final = re.compile(
    r"(?P<numbers>\d{1,9}(?:\.\d{1,9}){1,3})(?:-?(?P<candidate>rc\d{1,9}))?(?P<rest>.*)"
)
_TAG: Final = "org.opencontainers.image.ref.name"


class Unreachable(FetchFailed):
    """Report that the registry did not answer."""


_NETWORK: Final = "is there a network? skopeo takes proxies from the environment"
_LOGIN: Final = "check its name; skopeo login gives access to what is private"
_OTHER: Final = "take another tag or image"
_REFUSED: Final = r"unauthorized|denied|authentication required|name unknown"
_AWAY: Final = (
    r"no such host|connection refused|[Tt]imeout|deadline exceeded|unreachable|reset by peer"
    r"|misbehaving|proxyconnect|\b50[0234]\b"
)
_DAMAGED: Final = r"did not match|igest|unexpected EOF|blobs/\S+: no such file|manifest"
_REASONS: Final = (
    (r"no image found in .*for architecture", "holds no image for {machine}", _OTHER, FetchFailed),
    (_REFUSED, "is refused by the registry: {said}", _LOGIN, FetchFailed),
    (_AWAY, "cannot be fetched, the registry does not answer: {said}", _NETWORK, Unreachable),
    (_DAMAGED, "is damaged: {said}", "fetch or copy the image again", FetchFailed),
)
_NO_TAG: Final = r"manifest unknown|no descriptor found|manifest \S+ not found|not found in"


Model = TypeVar("Model", bound=BaseModel)


class Seen(BaseModel):
    """Hold an image's description of itself."""

    digest: str = Field(alias="Digest", pattern=r"^[a-z0-9+]{1,32}:[0-9a-f]{32,128}$")
    architecture: str = Field(alias="Architecture", max_length=40)


class _Descriptor(BaseModel):
    digest: str = Field(pattern=r"^[a-z0-9+]{1,32}:[0-9a-f]{32,128}$")
    annotations: dict[str, str] | None = None


class _Index(BaseModel):
    manifests: list[_Descriptor]


class _Manifest(BaseModel):
    layers: list[_Descriptor]


class _Listing(BaseModel):
    tags: list[str] = Field(alias="Tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Find images in one place, distinguished by tags."""

    name: str  # for people, as it was typed
    address: str = ""  # ghcr.io/cilium/ci-kernels
    folder: Path | None = None  # an OCI layout

    @property
    def place(self) -> str:
        """Return the address, or the folder's path."""
        return self.address or str(self.folder)

    def tags(self) -> tuple[str, ...]:
        """Return the tags of its images, in no particular order; FetchFailed."""
        if self.folder is not None:
            named = (each.annotations or {} for each in _index(self.name, self.folder).manifests)
            return tuple(each[_TAG] for each in named if _TAG in each)
        said = self._run("list-tags", f"docker://{self.address}")
        return tuple(_read(_Listing, said, self.name).tags)

    def inspect(self, tag: str) -> Seen:
        """Inspect an image without fetching it; "" is a folder's only one. Raises FetchFailed."""
        if self.folder is not None:
            _index(self.name, self.folder)
        elif not tag:
            raise self._no_tag(tag)
        return _read(Seen, self._run("inspect", self._reference(tag), tag=tag), self.named(tag))

    def copy(self, tag: str, seen: Seen, into: Path) -> tuple[Path, ...]:
        """Fetch an image, its digests checked; return its layers' files, the lowest first."""
        # From a registry, by digest: a tag may have moved since it was inspected.
        source = f"docker://{self.address}@{seen.digest}" if self.address else self._reference(tag)
        self._run("copy", "--quiet", source, f"dir:{into}", tag=tag, timeout_s=_COPY_S)
        manifest = _read(_Manifest, (into / "manifest.json").read_text(), self.named(tag))
        return tuple(into / layer.digest.partition(":")[2] for layer in manifest.layers)

    def named(self, tag: str) -> str:
        """Return an image's name, as it is typed."""
        return f"{self.name}:{tag}" if tag else self.name

    def _reference(self, tag: str) -> str:
        # skopeo runs in the layout's folder: it might mistake part of a path for a tag.
        place = f"docker://{self.address}" if self.address else "oci:."
        return f"{place}:{tag}" if tag else place

    def _run(self, command: str, *words: str, tag: str = "", timeout_s: float = 0) -> str:
        chosen = ("--override-os", "linux", "--override-arch", own())
        what, timeout_s = self.named(tag), timeout_s or ASK_S
        try:
            return process.run(
                ["skopeo", *chosen, command, *words], timeout_s=timeout_s, cwd=self.folder
            ).stdout
        except process.ProgramFailed as failed:
            if failed.completed is None:
                raise FetchFailed(
                    "OCI images are fetched with skopeo, which this machine lacks",
                    remedy="apt-get install skopeo",
                ) from failed
            if failed.timed_out:
                raise Unreachable(
                    f"{what}: no answer within {given(timeout_s, 's')}", remedy=_NETWORK
                ) from failed
            said = _last_words(failed.completed.stderr)
            if re.search(_NO_TAG, said) or "more than one image in oci" in said:
                raise self._no_tag(tag) from failed
            for pattern, words_for_it, remedy, kind in _REASONS:
                if re.search(pattern, said):
                    why = words_for_it.format(machine=own(), said=said)
                    raise kind(f"{what} {why}", remedy=remedy) from failed
            raise FetchFailed(f"{what} cannot be fetched: {said}") from failed

    def _no_tag(self, tag: str) -> FetchFailed:
        known = newest_first(self.tags())
        others = f" and {len(known) - _SHOWN} others" if len(known) > _SHOWN else ""
        return FetchFailed(
            f"{self.name} has no tag {tag}" if tag else f"{self.name} names no image without a tag",
            remedy=f"there are {', '.join(known[:_SHOWN])}{others}" if known else "it has no tags",
        )


def _read(kind: type[Model], said: str, what: str) -> Model:
    try:
        return kind.model_validate_json(said)
    except ValidationError as error:
        raise FetchFailed(
            f"{what} is described in a way that bufbench does not know",
            remedy="take an OCI or Docker image",
        ) from error


def newest_first(tags: Iterable[str]) -> list[str]:
    """Sort tags by version, the newest first."""
    return sorted(tags, key=order, reverse=True)


def order(tag: str) -> tuple[object, ...]:
    """Return a key that sorts tags by version; those without one are the first."""
    from debian.debian_support import Version

    match = VERSION.match(tag)
    if match is None:
        return False, Version("0"), tag
    candidate = f"~{match['candidate']}" if match["candidate"] else ""
    return True, Version(match["numbers"] + candidate), match["rest"]


def _index(name: str, folder: Path) -> _Index:
    """Read the index of a layout. FetchFailed if it is not one."""
    try:
        with (folder / "index.json").open("rb") as file:
            return _Index.model_validate_json(file.read(_LARGEST_INDEX_BYTES))
    except OSError as error:
        why = f"index.json: {error.strerror}"
    except ValidationError:
        why = "its index.json is not that of an OCI layout"
    raise FetchFailed(
        f"{name} is not an OCI layout: {why}",
        remedy="make one with skopeo copy docker://REPOSITORY:TAG oci:FOLDER:TAG",
    )


def _last_words(stderr: str) -> str:
    """Return the last line of skopeo's output, without the decoration of its log."""
    line = (stderr.strip().splitlines() or ["skopeo said nothing"])[-1]
    found = re.search(r'msg="(.*)"', line)
    said = found[1].replace('\\"', '"') if found else line
    return re.sub(r'^(?:Error [a-z ]+(?:"[^"]*")?: )+', "", said)
