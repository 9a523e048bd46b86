"""Reads kubeconfig files and merges them, as kubectl does.

Every field is read and kept, those of other users and clusters included; what a transport cannot act on yet is its
decision, when it is made for one context. Secrets have no repr.

Source:
    client-go tools/clientcmd/loader.go, ``ClientConfigLoadingRules``; tools/clientcmd/api/v1/conversion.go.
    Same: an explicit path stands alone; else the list in ``KUBECONFIG``, else ``~/.kube/config``; of each entry the
    first file that has it wins as a whole; the first current-context wins; relative paths start at their own file.
    Differs: a file named on purpose, or of a wrong type anywhere, is an error that names file, entry and field.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kubeprims.errors import ConfigError, DecodeError
from kubeprims.meta import JSONValue
from kubeprims.transport.entries import Entry, resolve_path
from kubeprims.transport.origin import FILE_BYTES_MAX, FROM_CODE, Origin, read_file
from kubeprims.yaml_text import load_document

_PROVIDER_PATH = "idp-certificate-authority"

_logger = logging.getLogger("kubeprims.transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecPlugin:
    """A program that hands out credentials (``user.exec``).

    Attributes:
        command: The program: a path, or a name that is looked for in ``PATH``.
        args: Its arguments.
        env: What it finds in its environment beside ours.
        api_version: What it speaks: ``client.authentication.k8s.io/v1`` or ``.../v1beta1``.
        install_hint: What to tell who has not installed it.
        provide_cluster_info: Whether it is told of the cluster.
        interactive_mode: Whether it may ask at the terminal: ``Never``, ``IfAvailable`` or ``Always``.
        cluster_config: What the cluster's entry has for plugins; it is told that along with the cluster.
    """

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""
    cluster_config: JSONValue = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthProvider:
    """A credential source built into the client (``user.auth-provider``)."""

    name: str
    config: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One entry of ``clusters``."""

    server: str = field(default="", repr=False)  # until it is checked, there may be a password in it
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: bytes = field(default=b"", repr=False)
    proxy_url: str = field(default="", repr=False)
    disable_compression: bool = False
    exec_config: JSONValue = field(default=None, repr=False)
    origin: Origin = FROM_CODE


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One entry of ``users``."""

    client_certificate: str = ""
    client_certificate_data: bytes = field(default=b"", repr=False)
    client_key: str = ""
    client_key_data: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    impersonate_user: str = ""
    impersonate_uid: str = ""
    impersonate_groups: tuple[str, ...] = ()
    impersonate_extra: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    exec_plugin: ExecPlugin | None = None
    auth_provider: AuthProvider | None = None
    origin: Origin = FROM_CODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One entry of ``contexts``: a cluster, a user and a namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""
    origin: Origin = FROM_CODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """One kubeconfig file, or several merged.

    Attributes:
        clusters: By name.
        users: By name.
        contexts: By name.
        current_context: The context to use when none is named; may be empty.
        sources: The files that were read, in their order.
    """

    clusters: Mapping[str, Cluster] = field(default_factory=dict[str, Cluster])
    users: Mapping[str, User] = field(default_factory=dict[str, User])
    contexts: Mapping[str, Context] = field(default_factory=dict[str, Context])
    current_context: str = ""
    sources: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return not (self.clusters or self.users or self.contexts or self.current_context)

    @property
    def source(self) -> str:
        """The files, for an error that concerns them all."""
        return os.pathsep.join(self.sources)

    def choose(self, name: str = "") -> tuple[Context, Cluster, User]:
        """Return a context, the current one unless named, with its cluster and its user.

        Raises:
            ConfigError: There is no such context, or it names a cluster or a user that is not there.
        """
        chosen = name or self.current_context
        if not chosen:
            known = ", ".join(sorted(self.contexts)) or "none is defined"
            rule = f"is not set, and no context was asked for (contexts: {known})"
            raise ConfigError(rule, source=self.source, field="current-context")
        context = self.contexts.get(chosen)
        if context is None:
            known = ", ".join(sorted(self.contexts)) or "none"
            where = "" if name else "current-context"
            rule = f"is not defined (contexts: {known})"
            raise ConfigError(rule, source=self.source, entry=f'context "{chosen}"', field=where)
        cluster = self.clusters.get(context.cluster)
        if cluster is None:
            raise context.origin.error("cluster", _dangling("cluster", context.cluster))
        user = self.users.get(context.user) if context.user else User(origin=context.origin)
        if user is None:
            raise context.origin.error("user", _dangling("user", context.user))
        return context, cluster, user


def _dangling(kind: str, name: str) -> str:
    return f'names the {kind} "{name}", which is not defined' if name else "is missing"


def load(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Kubeconfig:
    """Read one file, or those that the environment names, and merge them.

    Args:
        path: The one file to read; it must exist.
        environ: The environment; that of the process unless given.

    Raises:
        ConfigError: A file cannot be read, is not YAML, or breaks a rule.
    """
    if path is not None:
        return parse(_read(os.fspath(path)), source=os.fspath(path))
    listed, paths = _paths(os.environ if environ is None else environ)
    found = [parse(_read(candidate), source=candidate) for candidate in paths if not _is_missing(candidate)]
    if listed and not found:
        _logger.warning("no file that KUBECONFIG names exists", extra={"paths": list(paths)})
    return merge(found)


def _paths(environ: Mapping[str, str]) -> tuple[bool, Sequence[str]]:
    """Return whether KUBECONFIG lists files, and the files to look at, each once."""
    listed = [path for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    if listed:
        return True, tuple(dict.fromkeys(listed))
    home = environ.get("HOME", "")
    return False, (str(Path(home, ".kube", "config")),) if home else ()


def _is_missing(path: str) -> bool:
    try:
        Path(path).stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # reading it says what is wrong
        return False
    return False


def _read(path: str) -> bytes:
    return read_file(path, origin=Origin(path), field="")


def parse(content: bytes, *, source: str) -> Kubeconfig:
    """Read the content of one file.

    Args:
        content: The bytes of the file.
        source: The file's path: errors name it, and relative paths start at its folder.

    Raises:
        ConfigError: It is not YAML, or breaks a rule.
    """
    origin = Origin(source)
    if len(content) > FILE_BYTES_MAX:
        raise origin.error("", f"is longer than {FILE_BYTES_MAX} bytes")
    root = Entry(_load_yaml(content, origin), origin)
    for name, wanted in (("apiVersion", "v1"), ("kind", "Config")):
        if root.text(name) not in {"", wanted}:
            raise origin.error(name, f'must be "{wanted}", not "{root.text(name)}"')
    return Kubeconfig(
        clusters=_named(root, "clusters", "cluster", _cluster),
        users=_named(root, "users", "user", _user),
        contexts=_named(root, "contexts", "context", _context),
        current_context=root.text("current-context"),
        sources=(source,),
    )


def _load_yaml(content: bytes, origin: Origin) -> object:
    try:
        return load_document(content)
    except DecodeError as error:
        raise origin.error("", error.detail) from None


_T = TypeVar("_T")


def _named(root: Entry, listing: str, kind: str, read: Callable[[Entry], _T]) -> dict[str, _T]:
    """Return the entries of a list of named ones, such as ``users: [{name: jane, user: {...}}]``."""
    found: dict[str, _T] = {}
    for item in root.entries(listing):
        name = item.text("name")
        origin = Origin(root.origin.source, f'{kind} "{name}"')
        if name in found:
            raise origin.error("name", f"there are two of that name in {listing}")
        found[name] = read(item.at(origin).mapping(kind).at(origin))
    return found


def _cluster(entry: Entry) -> Cluster:
    exec_config: JSONValue = None
    for extension in entry.entries("extensions"):
        if extension.text("name") == "client.authentication.k8s.io/exec":
            exec_config = extension.value("extension")
    return Cluster(
        server=entry.text("server"),
        tls_server_name=entry.text("tls-server-name"),
        insecure_skip_tls_verify=entry.flag("insecure-skip-tls-verify"),
        certificate_authority=entry.path("certificate-authority"),
        certificate_authority_data=entry.data("certificate-authority-data"),
        proxy_url=entry.text("proxy-url"),
        disable_compression=entry.flag("disable-compression"),
        exec_config=exec_config,
        origin=entry.origin,
    )


def _user(entry: Entry) -> User:
    return User(
        client_certificate=entry.path("client-certificate"),
        client_certificate_data=entry.data("client-certificate-data"),
        client_key=entry.path("client-key"),
        client_key_data=entry.data("client-key-data"),
        token=entry.text("token"),
        token_file=entry.path("tokenFile"),
        username=entry.text("username"),
        password=entry.text("password"),
        impersonate_user=entry.text("as"),
        impersonate_uid=entry.text("as-uid"),
        impersonate_groups=entry.texts("as-groups"),
        impersonate_extra=entry.text_lists("as-user-extra"),
        exec_plugin=_exec_plugin(entry),
        auth_provider=_auth_provider(entry),
        origin=entry.origin,
    )


def _exec_plugin(entry: Entry) -> ExecPlugin | None:
    if not entry.has("exec"):
        return None
    plugin = entry.mapping("exec")
    command = plugin.text("command")
    if not command:
        raise entry.origin.error("exec.command", "is missing")
    return ExecPlugin(
        # A bare name is looked up in PATH when it is run; one with a separator belongs to the file.
        command=resolve_path(command, entry.origin) if os.sep in command else command,
        args=plugin.texts("args"),
        env=tuple((variable.text("name"), variable.text("value")) for variable in plugin.entries("env")),
        api_version=plugin.text("apiVersion"),
        install_hint=plugin.text("installHint"),
        provide_cluster_info=plugin.flag("provideClusterInfo"),
        interactive_mode=plugin.text("interactiveMode"),
    )


def _auth_provider(entry: Entry) -> AuthProvider | None:
    if not entry.has("auth-provider"):
        return None
    provider = entry.mapping("auth-provider")
    config = tuple(
        (name, resolve_path(value, entry.origin) if name == _PROVIDER_PATH else value)
        for name, value in provider.text_map("config")
    )
    return AuthProvider(name=provider.text("name"), config=config)


def _context(entry: Entry) -> Context:
    return Context(
        cluster=entry.text("cluster"),
        user=entry.text("user"),
        namespace=entry.text("namespace"),
        origin=entry.origin,
    )


def merge(files: Sequence[Kubeconfig]) -> Kubeconfig:
    """Return what several files say together: of each entry, and of current-context, the first that has it wins."""
    return Kubeconfig(
        clusters=_first_wins([file.clusters for file in files]),
        users=_first_wins([file.users for file in files]),
        contexts=_first_wins([file.contexts for file in files]),
        current_context=next((file.current_context for file in files if file.current_context), ""),
        sources=tuple(source for file in files for source in file.sources),
    )


def _first_wins(tables: Sequence[Mapping[str, _T]]) -> dict[str, _T]:
    merged: dict[str, _T] = {}
    for table in tables:
        for name, entry in table.items():
            merged.setdefault(name, entry)
    return merged
