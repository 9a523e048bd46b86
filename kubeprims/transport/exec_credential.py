"""Credentials from a program that the kubeconfig names (``user.exec``)."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeprims.clock import Clock
from kubeprims.errors import ConfigError, CredentialError, DecodeError, InvalidArgument
from kubeprims.threads import Cancel
from kubeprims.transport import tls
from kubeprims.transport.credential import ClientCertificate, Credential
from kubeprims.transport.exec_output import API_VERSIONS, V1, ClusterInfo, exec_info, parse_output
from kubeprims.transport.exec_policy import EXEC_TIMEOUT_S, ExecPolicy, find_program
from kubeprims.transport.kubeconfig import ExecPlugin
from kubeprims.transport.origin import FROM_CODE, Origin
from kubeprims.transport.program import ProgramError, run_program
from kubeprims.transport.tls import TLSOptions

HINTS_PER_HOUR_MAX = 10
"""How often within an hour an error repeats how a missing plugin is installed."""

_EXEC_INFO = "KUBERNETES_EXEC_INFO"
_MODES = frozenset({"Never", "IfAvailable", "Always"})
_HOUR_S = 3600.0
# Escape sequences, then whatever control character is left but line breaks and tabs.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSettings:
    """How plugins are run, whichever it is.

    Attributes:
        policy: Which may run.
        timeout_s: How long one may take, in seconds.
        environ: The environment that it finds, beside what the kubeconfig adds.
        stdin: The descriptor that may be a terminal, to ask somebody at.
    """

    policy: ExecPolicy = field(default_factory=ExecPolicy.allow_all)
    timeout_s: float = EXEC_TIMEOUT_S
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    stdin: int = 0


class ExecAuthenticator:
    """Runs a plugin for a credential.

    Its standard error goes where ours goes, as people expect who are asked something; its output is read up to a limit,
    and shown nowhere. It has a terminal only where it may ask at one; else it runs in a session of its own, in which
    there is none.

    Concurrency:
        One thread at a time, which :class:`~kubeprims.transport.renewal.Renewal` sees to.

    Source:
        client-go plugin/pkg/client/auth/exec/exec.go, ``Authenticator``.
        Same: the versions, the environment, the modes, the policies, the hint ten times an hour.
        Differs: it has a time limit, and is ended at it with all that it started; its output has a limit; a policy that
        does not let it run is told when the transport is made.
    """

    def __init__(
        self,
        plugin: ExecPlugin,
        *,
        cluster: ClusterInfo,
        clock: Clock,
        settings: ExecSettings | None = None,
        origin: Origin = FROM_CODE,
    ) -> None:
        """Check the plugin; nothing is run.

        Args:
            plugin: What to run.
            cluster: What it is told if it is to be.
            clock: Counts the hour of the hints.
            settings: How to run it.
            origin: What errors name.

        Raises:
            ConfigError: It speaks another version, has no or an unknown ``interactiveMode``, wants a terminal where
                there is none, has an impossible environment, or may not run.
        """
        self._plugin = plugin
        self._settings = settings or ExecSettings()
        self._origin = origin
        _check(plugin, origin)
        self._is_interactive = self._may_ask()
        self._check_policy()
        told = cluster if plugin.provide_cluster_info else None
        try:
            info = exec_info(api_version=plugin.api_version, interactive=self._is_interactive, cluster=told)
        except InvalidArgument as error:
            raise origin.error("exec.provideClusterInfo", str(error)) from None
        self._environ = {**self._settings.environ, **dict(plugin.env), _EXEC_INFO: info}
        self._hint = _Hint(clean_hint(plugin.install_hint), clock=clock)

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"the credential plugin {shlex.quote(self._plugin.command)}"

    def _may_ask(self) -> bool:
        mode = self._plugin.interactive_mode or "IfAvailable"
        has_terminal = os.isatty(self._settings.stdin)
        if mode == "Always" and not has_terminal:
            rule = "is Always, and the standard input is not a terminal"
            raise self._origin.error("exec.interactiveMode", rule)
        return mode != "Never" and has_terminal

    def _check_policy(self) -> None:
        policy = self._settings.policy
        if policy.allowed is None:
            return
        program = find_program(self._plugin.command) if policy.allowed else None
        if program is None or not policy.permits(program):
            raise self._origin.error("exec.command", f"the policy does not let {self._plugin.command!r} run")

    def fetch(self, cancel: Cancel) -> Credential:
        """Run the plugin, and return what it hands out.

        Args:
            cancel: Ends it early.

        Raises:
            CredentialError: It is not installed, may not run, failed, or gave no credential.
        """
        try:
            return self._fetch(cancel)
        except ProgramError as error:
            message = f"{self.name} {error}"
        except DecodeError as error:
            message = f"{self.name} gave no credential: {error.detail}"
        except ConfigError as error:
            message = f"{self.name} gave a client certificate that cannot be used: {error.rule}"
        raise CredentialError(message)

    def _fetch(self, cancel: Cancel) -> Credential:
        program = find_program(self._plugin.command)
        if program is None:
            message = f"is not installed, or cannot be run{self._hint.text()}"
            raise ProgramError(message)
        if not self._settings.policy.permits(program):
            message = "may not run: the policy does not allow it"
            raise ProgramError(message)
        output = run_program(
            (program, *self._plugin.args),
            env=self._environ,
            stdin=self._settings.stdin if self._is_interactive else None,
            timeout_s=self._settings.timeout_s,
            cancel=cancel,
        )
        credential = parse_output(output, api_version=self._plugin.api_version)
        if credential.client_certificate is not None:
            _check_certificate(credential.client_certificate)
        return credential


def _check(plugin: ExecPlugin, origin: Origin) -> None:
    if plugin.api_version not in API_VERSIONS:
        known = " and ".join(API_VERSIONS)
        rule = f"is {plugin.api_version!r}; what is spoken here is {known}" if plugin.api_version else "is missing"
        raise origin.error("exec.apiVersion", rule)
    mode = plugin.interactive_mode
    if mode not in _MODES and (mode or plugin.api_version == V1):
        known = ", ".join(sorted(_MODES))
        rule = f"must be one of {known}, not {mode!r}" if mode else f"is missing; with {V1} it must be one of {known}"
        raise origin.error("exec.interactiveMode", rule)
    for name, value in plugin.env:
        if not name or "=" in name or "\0" in name + value:
            # Who writes NAME=VALUE into the name has put a secret there.
            shown = name.partition("=")[0]
            raise origin.error("exec.env", f"holds a variable that no environment can hold: {shown!r}")


def _check_certificate(pair: ClientCertificate) -> None:
    """Load it, as the TLS layer will.

    Raises:
        ConfigError: Certificate or key is not what it should be, or they do not belong together.
    """
    tls.client_context(TLSOptions(insecure=True, certificate_data=pair.certificate, key_data=pair.key))


def clean_hint(text: str) -> str:
    """Return an installation hint without what a terminal would take for a command."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).strip()


class _Hint:
    """The installation hint, for some errors of each hour: a controller that tries again and again logs it each time.

    Concurrency:
        One thread at a time.
    """

    __slots__ = ("_clock", "_count", "_since_s", "_text")

    def __init__(self, text: str, *, clock: Clock) -> None:
        self._text = text
        self._clock = clock
        self._count = 0
        self._since_s = clock.monotonic()

    def text(self) -> str:
        now_s = self._clock.monotonic()
        if now_s - self._since_s >= _HOUR_S:
            self._since_s, self._count = now_s, 0
        self._count += 1
        return f"; {self._text}" if self._text and self._count <= HINTS_PER_HOUR_MAX else ""
