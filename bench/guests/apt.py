# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A private APT root: lists and downloads with checked signatures, and the host untouched.

The host's own configuration is not read as such, since it names hooks that write to the host; its
settings for reaching archives (Acquire::*, passwords) are taken over.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import FetchFailed
from bench.host import process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.guests.packages import Package
    from bench.guests.sources import Source

_UPDATE_S: Final = 900.0
_DOWNLOAD_S: Final = 3600.0
_QUICK_S: Final = 60.0

_FOLDERS: Final = (
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/lib/dpkg",
)
_PLAIN: Final = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
# Whether signatures count, and which lists are wanted, bufbench decides.
_NOT_TAKEN_OVER: Final = re.compile(
    r"Acquire::(Allow|IndexTargets|Languages|GzipIndexes|Changelogs|cdrom)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An archive's list of packages that has been fetched."""

    archive: str
    suite: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A suite that could not be had, and why."""

    archive: str
    suite: str
    reason: str

    def __str__(self) -> str:
        return f"{self.archive} {self.suite}: {self.reason}"


def host_mirrors() -> tuple[str, ...]:
    """Return the addresses of this machine's own packages; none where it has no APT."""
    # Without the host's lists, which are not needed for this and take a second to read.
    nowhere = ("Dir::State::lists=/nowhere", "Dir::State::status=/dev/null", "Dir::Cache=/nowhere")
    options = [word for option in nowhere for word in ("-o", option)]
    show = ("--no-release-info", "--format", "$(REPO_URI) $(COMPONENT)")
    try:
        said = process.run(
            ["apt-get", *options, "indextargets", *show], timeout_s=_QUICK_S, env=_PLAIN
        )
    except process.ProgramFailed:
        return ()
    lines = (line.rpartition(" ") for line in said.stdout.splitlines())
    # Others than a distribution seldom call a component main, and never their folder like it.
    return tuple(dict.fromkeys(uri for uri, _, component in lines if component == "main"))


def architecture() -> str:
    """Return the machine's architecture, as Debian calls it: guests run this machine's programs."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


class Root:
    """A private root in ``folder`` for ``sources``. One process at a time may update it."""

    def __init__(self, folder: Path, sources: Sequence[Source], arch: str) -> None:
        self._folder = folder
        self._sources = sources
        self._arch = arch

    def make(self) -> None:
        """Write its folders and configuration; what is there already is written again."""
        for name in _FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "var/lib/dpkg/status").touch()
        (self._folder / "etc/apt/sources.list").write_text(sources_list(self._sources, self._arch))
        self._configuration.write_text(
            configuration(self._folder, self._arch, _host_settings(), as_root=os.geteuid() == 0)
        )

    def update(self) -> tuple[Trouble, ...]:
        """Fetch the lists anew; gives the suites for which that failed. Old lists stay.

        FetchFailed if it failed for all of them.
        """
        ended = self._apt("update", timeout_s=_UPDATE_S, check=False)
        troubles = self._troubles(ended.stdout + "\n" + ended.stderr)
        if len(troubles) == len(list(self._suites())) or not self.lists():
            reason = str(troubles[0]) if troubles else _first_complaint(ended)
            raise FetchFailed(
                f"no list of kernels could be had: {reason}",
                remedy="is there a network? kernels.toml can name another mirror",
            )
        return troubles

    def lists(self) -> tuple[Listed, ...]:
        """Return the lists that are here, in the order of the sources."""
        said = self._apt(
            "indextargets",
            "--format",
            "$(REPO_URI)\t$(RELEASE)\t$(FILENAME)",
            "Created-By: Packages",
            timeout_s=_QUICK_S,
        )
        rows = [line.split("\t") for line in said.stdout.splitlines()]
        return tuple(
            Listed(archive=source.archive, suite=suite, path=Path(path))
            for source, suite in self._suites()
            for uri, release, path in (row for row in rows if len(row) == 3)
            if (uri.rstrip("/"), release) == (source.uri, suite) and Path(path).exists()
        )

    def content(self, listed: Listed) -> str:
        """Return the text of a list; APT may keep it compressed."""
        helper = "/usr/lib/apt/apt-helper"
        return process.run([helper, "cat-file", listed.path], timeout_s=_QUICK_S, env=_PLAIN).stdout

    def download(self, packages: Iterable[Package], into: Path) -> tuple[Path, ...]:
        """Fetch packages, checked against the signed lists. FetchFailed if that does not work."""
        wanted = [f"{package.name}={package.version}" for package in packages]
        ended = self._apt("download", *wanted, timeout_s=_DOWNLOAD_S, check=False, cwd=into)
        files = tuple(sorted(into.glob("*.deb")))
        if ended.returncode or len(files) != len(wanted):
            raise FetchFailed(
                f"{wanted[0]} could not be fetched: {_first_complaint(ended)}",
                remedy="try again with --update, which fetches the lists anew",
            )
        return files

    @property
    def _configuration(self) -> Path:
        return self._folder / "apt.conf"

    def _apt(
        self, *words: str, timeout_s: float, check: bool = True, cwd: Path | None = None
    ) -> process.Completed:
        return _run(
            ["apt-get", "-q", *words],
            timeout_s=timeout_s,
            check=check,
            cwd=cwd,
            env={"APT_CONFIG": str(self._configuration)},
        )

    def _suites(self) -> Iterator[tuple[Source, str]]:
        for source in self._sources:
            for suite in source.suites:
                yield source, suite

    def _troubles(self, said: str) -> tuple[Trouble, ...]:
        found = (
            (source, suite, complaint(said, source.uri, suite)) for source, suite in self._suites()
        )
        return tuple(
            Trouble(archive=source.archive, suite=suite, reason=reason)
            for source, suite, reason in found
            if reason
        )


def sources_list(sources: Iterable[Source], arch: str) -> str:
    """Return the private root's sources.list."""
    return "".join(
        f"deb [arch={arch} signed-by={source.keyring}] {source.uri} {suite}"
        f" {' '.join(source.components)}\n"
        for source in sources
        for suite in source.suites
    )


def configuration(folder: Path, arch: str, host: Iterable[str], *, as_root: bool) -> str:
    """Return the private root's apt.conf; ``host``: the host's settings that are taken over."""
    settings = {
        "Dir": f"{folder}/",
        "Dir::State::status": f"{folder}/var/lib/dpkg/status",
        "Dir::Etc::netrc": "/etc/apt/auth.conf",
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d/",
        "APT::Architecture": arch,
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "true",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
    }
    if as_root:  # the user _apt cannot enter somebody's cache folder
        settings["APT::Sandbox::User"] = "root"
    lines = [*host, *(f'{name} "{value}";' for name, value in settings.items())]
    return "".join(f"{line}\n" for line in lines)


def _host_settings() -> tuple[str, ...]:
    said = _run(["apt-config", "dump", "--format", '%F "%v";%n'], timeout_s=_QUICK_S)
    return tuple(taken_over(said.stdout))


def _run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> process.Completed:
    try:
        return process.run(
            argv, timeout_s=timeout_s, check=check, cwd=cwd, env={**_PLAIN, **(env or {})}
        )
    except process.ProgramFailed as failed:
        if failed.completed is None:
            raise FetchFailed(
                f"kernels are fetched with {argv[0]}, which this machine lacks",
                remedy="install apt, or name an image of your own: ./bzImage",
            ) from failed
        raise FetchFailed(failed.message, remedy="is there a network?") from failed


def taken_over(dump: str) -> Iterator[str]:
    """Return the host's settings that say how archives are reached, proxies above all."""
    for line in dump.splitlines():
        if re.fullmatch(r'Acquire::\S+ "[^"]+";', line) and not _NOT_TAKEN_OVER.match(line):
            yield line


def complaint(said: str, uri: str, suite: str) -> str:
    """Return what APT says of one suite, the tidiest of its sentences; "" if nothing."""
    address = rf"{re.escape(uri)}/?(?: |/dists/){re.escape(suite)}(?=[ /'])"
    if failed := re.search(rf"^Err:[0-9]+ {address}.*\n +(.+)", said, re.MULTILINE):
        return _tidied(failed[1])
    for mark in ("E", "W"):
        if found := re.search(rf"^{mark}: .*{address}(?:[^ ]*  )?(.*)", said, re.MULTILINE):
            return _tidied(found[1])
    return ""


def _tidied(reason: str) -> str:
    if re.match(r"404\b", reason) or "does not have a Release file" in reason:
        return "the archive does not have it (old suites move to archive.debian.org)"
    if "NO_PUBKEY" in reason:
        return "it is signed with a key that its keyring does not hold"
    return " ".join(re.sub(r"\[IP: [^]]*\]", "", reason).split()).rstrip(":")


def _first_complaint(ended: process.Completed) -> str:
    lines = (ended.stderr + "\n" + ended.stdout).splitlines()
    for mark in ("E:", "W:"):
        for line in lines:
            if line.startswith(mark):
                return " ".join(line[len(mark) :].split())
    return f"apt-get returned {ended.returncode}"
