# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fetch lists and packages from archives, built-in ones and those of kernels.toml, with APT.

APT gets a private root: signatures are checked, and the host is left as it is. The host's own
configuration is not read as such, since it names hooks that write to the host; its settings for
access to archives (Acquire::*, passwords) are copied.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench.errors import FetchFailed, UsageError
from bench.guests.catalogue import Package, parse
from bench.host import process, toml

FILE: Final = "kernels.toml"

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+~-]{0,99}$")]
_Address = Annotated[
    str,
    Field(pattern=r"^(https?|ftp|file|mirror(\+[a-z]+)?):[!-Z\\^-~]{1,500}$"),
    AfterValidator(lambda address: address.rstrip("/")),
]

_KEYRING_PACKAGES: Final = {
    "debian-archive-keyring": "debian-archive-keyring",
    "ubuntu-archive-keyring": "ubuntu-keyring",
}

_UPDATE_S: Final = 900.0
_DOWNLOAD_S: Final = 3600.0
_QUICK_S: Final = 60.0

_GET: Final = ("apt-get", "-q")
_FOLDERS: Final = (
    *("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/dpkg"),
    *("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"),
)
_PLAIN: Final = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
# bufbench decides whether signatures are required, and which lists to fetch.
_NOT_TAKEN_OVER: Final = re.compile(
    r"Acquire::(Allow|IndexTargets|Languages|GzipIndexes|Changelogs|cdrom)"
)


class Archive(BaseModel):
    """Describe suites of one archive, at one address and signed with one keyring."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=r"^[ -~]{1,40}$")]  # for people: "Debian"
    uri: _Address
    suites: Annotated[tuple[_Word, ...], Field(min_length=1, max_length=50)]
    components: Annotated[tuple[_Word, ...], Field(min_length=1, max_length=20)] = ("main",)
    keyring: Annotated[str, Field(pattern=r"^/[!-Z^-~]{1,500}$")]

    def without_keys(self) -> str:
        """Return why the archive cannot be used on this machine; "" if its keyring is here."""
        if os.access(self.keyring, os.R_OK):
            return ""
        package = _KEYRING_PACKAGES.get(Path(self.keyring).stem)
        return f"its keyring {self.keyring} is missing{f'; install {package}' if package else ''}"


def _built_in(name: str, keyring: str, suites: Mapping[str, str]) -> tuple[Archive, ...]:
    path = f"/usr/share/keyrings/{keyring}.gpg"
    return tuple(
        Archive(name=name, uri=uri, suites=tuple(words.split()), keyring=path)
        for uri, words in suites.items()
    )


BUILT_IN: Final = {
    "debian": _built_in(
        "Debian",
        "debian-archive-keyring",
        {
            "http://deb.debian.org/debian": "bookworm bookworm-backports trixie trixie-backports"
            " sid experimental",
            "http://security.debian.org/debian-security": "bullseye-security bookworm-security"
            " trixie-security",
        },
    ),
    "ubuntu": _built_in(
        "Ubuntu",
        "ubuntu-archive-keyring",
        {"http://archive.ubuntu.com/ubuntu": "jammy-updates noble noble-updates"},
    ),
}
"""By the name that kernels.toml uses. Mirrors are recognised by the last part of their address,
which is that of the archive."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    use: list[str] = ["debian"]
    archive: Annotated[list[Archive], Field(max_length=50)] = []


def read(path: Path | None, mirrors: Sequence[str] = ()) -> tuple[Archive, ...]:
    """Return the archives that ``path`` names; the built-in ones if it is None.

    ``mirrors``: addresses of this machine's own packages. One of them that carries a built-in
    archive is used instead of the public one. UsageError, one line with file and key, for a file
    that cannot be read or makes no sense.
    """
    settings = _File() if path is None else _checked(path)
    archives: list[Archive] = []
    for index, name in enumerate(settings.use):
        if name not in BUILT_IN:
            raise UsageError(
                f"{path}: use.{index}: there is no built-in archive {name[:40]!r}",
                remedy=f"there are {', '.join(BUILT_IN)}",
            )
        archives += (_mirrored(archive, mirrors) for archive in BUILT_IN[name])
    archives += settings.archive
    if not archives:
        raise UsageError(f"{path}: no archive is left", remedy='set use = ["debian"]')
    return tuple(archives)


def find_file() -> Path | None:
    """Return kernels.toml from the working folder, else from the user's configuration, or None."""
    import platformdirs

    places = (Path(FILE), platformdirs.user_config_path("bufbench") / FILE)
    return next((place for place in places if place.is_file()), None)


def _checked(path: Path) -> _File:
    try:
        return _File.model_validate(toml.read(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part)[:40] for part in first["loc"])
        raise UsageError(
            f"{path}: {key}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            remedy="see docs/kernels.md",
        ) from error


def _mirrored(archive: Archive, mirrors: Sequence[str]) -> Archive:
    """Return the archive, at this machine's own mirror if it has one."""
    folder = archive.uri.rpartition("/")[2]
    for mirror in mirrors:
        if re.fullmatch(rf"https?://\S+/{folder}/?", mirror):
            return archive.model_copy(update={"uri": mirror.rstrip("/")})
    return archive


def host_mirrors() -> tuple[str, ...]:
    """Return the addresses of this machine's own packages; none without APT."""
    # Without the host's lists, which are not needed here and take a second to read.
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
    # Third parties seldom call a component main, and never name their folder like a distribution.
    return tuple(dict.fromkeys(uri for uri, _, component in lines if component == "main"))


class Root:
    """Manage a private root in ``folder`` for ``archives``, for one process at a time."""

    def __init__(self, folder: Path, archives: Sequence[Archive], architecture: str) -> None:
        self._folder = folder
        self._architecture = architecture
        self._config = folder / "apt.conf"
        self._archives = archives
        self._suites = [(archive, suite) for archive in archives for suite in archive.suites]

    def make(self) -> None:
        """Write its folders and configuration, over existing ones."""
        for name in _FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "var/lib/dpkg/status").touch()
        (self._folder / "etc/apt/sources.list").write_text(
            sources_list(self._archives, self._architecture)
        )
        said = _run("apt-config", "dump", "--format", '%F "%v";%n')
        host, as_root = copied(said.stdout), os.geteuid() == 0
        self._config.write_text(
            configuration(self._folder, host, architecture=self._architecture, as_root=as_root)
        )

    def update(self) -> tuple[str, ...]:
        """Fetch the lists again; return the suites for which that failed, and why. Old lists stay.

        FetchFailed if it failed for all of them.
        """
        ended = _run(*_GET, "update", config=self._config, timeout_s=_UPDATE_S, check=False)
        said = f"{ended.stdout}\n{ended.stderr}"
        troubles = tuple(
            f"{archive.name} {suite}: {reason}"
            for archive, suite in self._suites
            if (reason := complaint(said, archive.uri, suite))
        )
        if len(troubles) == len(self._suites) or not self._lists():
            reason = troubles[0] if troubles else _first_complaint(ended)
            raise FetchFailed(
                f"no list of kernels could be fetched: {reason}",
                remedy="is there a network? kernels.toml can name another mirror",
            )
        return troubles

    def packages(self) -> Iterator[Package]:
        """Yield the kernels' packages of all fetched lists, in the order of the archives."""
        for archive, suite, path in self._lists():
            said = _run("/usr/lib/apt/apt-helper", "cat-file", path)  # it may be compressed
            for package in parse(said.stdout, archive=archive.name, suite=suite):
                if package.architecture == self._architecture:
                    yield package

    def download(self, packages: Iterable[Package], into: Path) -> tuple[Path, ...]:
        """Fetch packages, checked against the signed lists. Raises FetchFailed."""
        wanted = [f"{package.name}={package.version}" for package in packages]
        ended = _run(
            *(*_GET, "download", *wanted),
            config=self._config,
            timeout_s=_DOWNLOAD_S,
            check=False,
            cwd=into,
        )
        files = tuple(sorted(into.glob("*.deb")))
        if ended.returncode or len(files) != len(wanted):
            raise FetchFailed(
                f"{wanted[0]} could not be fetched: {_first_complaint(ended)}",
                remedy="try again with --update, which fetches the lists again",
            )
        return files

    def download_all(self, names: Iterable[str]) -> tuple[Path, ...]:
        """Fetch packages and all their dependencies. Raises FetchFailed."""
        ended = _run(
            *(*_GET, "-y", "-d", "--no-install-recommends", "install", *names),
            config=self._config,
            timeout_s=_DOWNLOAD_S,
            check=False,
        )
        if ended.returncode:
            raise FetchFailed(
                f"packages could not be fetched: {_first_complaint(ended)}",
                remedy="is there a network?",
            )
        return tuple(sorted((self._folder / "var/cache/apt/archives").glob("*.deb")))

    def _lists(self) -> list[tuple[Archive, str, Path]]:
        show = ("--format", "$(REPO_URI)\t$(RELEASE)\t$(FILENAME)", "Created-By: Packages")
        said = _run(*_GET, "indextargets", *show, config=self._config)
        rows = [row for line in said.stdout.splitlines() if len(row := line.split("\t")) == 3]
        return [
            (archive, suite, Path(path))
            for archive, suite in self._suites
            for uri, release, path in rows
            if (uri.rstrip("/"), release) == (archive.uri, suite) and Path(path).exists()
        ]


def sources_list(archives: Iterable[Archive], architecture: str) -> str:
    """Return a private root's sources.list."""
    return "".join(
        f"deb [arch={architecture} signed-by={archive.keyring}] {archive.uri} {suite}"
        f" {' '.join(archive.components)}\n"
        for archive in archives
        for suite in archive.suites
    )


def _run(
    *argv: str | Path,
    config: Path | None = None,
    timeout_s: float = _QUICK_S,
    check: bool = True,
    cwd: Path | None = None,
) -> process.Completed:
    """Run one of APT's programs, with the host's configuration or another."""
    env = {**_PLAIN, "APT_CONFIG": str(config)} if config else _PLAIN
    try:
        return process.run(argv, timeout_s=timeout_s, check=check, cwd=cwd, env=env)
    except process.ProgramFailed as failed:
        if failed.completed is None:
            raise FetchFailed(
                f"kernels are fetched with {argv[0]}, which this machine lacks",
                remedy="install apt, or name an image of your own: ./bzImage",
            ) from failed
        raise FetchFailed(failed.message, remedy="is there a network?") from failed


def configuration(folder: Path, host: Iterable[str], *, architecture: str, as_root: bool) -> str:
    """Return the private root's apt.conf; ``host``: the settings copied from the host."""
    settings = {
        "Dir": f"{folder}/",
        "Dir::State::status": f"{folder}/var/lib/dpkg/status",
        "Dir::Etc::netrc": "/etc/apt/auth.conf",
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d/",
        "APT::Architecture": architecture,
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "true",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
    }
    if as_root:  # the user _apt cannot enter a user's cache folder
        settings["APT::Sandbox::User"] = "root"
    lines = [*host, *(f'{name} "{value}";' for name, value in settings.items())]
    return "".join(f"{line}\n" for line in lines)


def copied(dump: str) -> Iterator[str]:
    """Yield the host's settings for access to archives, mainly proxies."""
    for line in dump.splitlines():
        if re.fullmatch(r'Acquire::\S+ "[^"]+";', line) and not _NOT_TAKEN_OVER.match(line):
            yield line


def complaint(said: str, uri: str, suite: str) -> str:
    """Return APT's complaint about one suite, the clearest of its lines; "" without any."""
    address = rf"{re.escape(uri)}/?(?: |/dists/){re.escape(suite)}(?=[ /'])"
    for pattern in (
        rf"^Err:[0-9]+ {address}.*\n +(.+)",
        *(rf"^{mark}: .*{address}(?:[^ ]*  )?(.*)" for mark in "EW"),
    ):
        if found := re.search(pattern, said, re.MULTILINE):
            reason = found[1]
            if re.match(r"404\b", reason) or "does not have a Release file" in reason:
                return "the archive does not have it (old suites move to archive.debian.org)"
            if "NO_PUBKEY" in reason:
                return "it is signed with a key that its keyring does not hold"
            return " ".join(re.sub(r"\[IP: [^]]*\]", "", reason).split()).rstrip(":")
    return ""


def _first_complaint(ended: process.Completed) -> str:
    lines = (ended.stderr + "\n" + ended.stdout).splitlines()
    marked = (line for mark in ("E:", "W:") for line in lines if line.startswith(mark))
    first = next(marked, None)
    return f"apt-get returned {ended.returncode}" if first is None else " ".join(first[2:].split())
