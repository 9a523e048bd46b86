"""What a credential plugin is told, and what it answers, as ``client.authentication.k8s.io`` has it. Pure."""

from __future__ import annotations

import base64
import datetime
import re
from dataclasses import dataclass, field

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.strict_json import decode_object, encode_object
from kubeprims.transport.credential import ClientCertificate, Credential, is_header_value

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
API_VERSIONS = (V1, V1BETA1)

_KIND = "ExecCredential"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SHOWN_CHARACTERS_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterInfo:
    """What a plugin is told of the cluster, where the kubeconfig has it told.

    Attributes:
        server: The URL of the server.
        tls_server_name: The name that its certificate is verified for; empty: the URL's.
        insecure: Whether any server is trusted.
        ca_data: The authorities that are trusted, in PEM; empty: the system's.
        proxy_url: The proxy on the way; empty: none, or the environment's.
        disable_compression: Whether gzip is not asked for.
        config: What the cluster's entry says for plugins (its extension ``client.authentication.k8s.io/exec``).
    """

    server: str
    tls_server_name: str = ""
    insecure: bool = False
    ca_data: bytes = field(default=b"", repr=False)
    proxy_url: str = field(default="", repr=False)
    disable_compression: bool = False
    config: JSONValue = field(default=None, repr=False)

    def as_object(self) -> JSONObject:
        """Return it as a plugin reads it; what is not set is left out."""
        fields: JSONObject = {
            "tls-server-name": self.tls_server_name,
            "insecure-skip-tls-verify": self.insecure,
            "certificate-authority-data": base64.b64encode(self.ca_data).decode("ascii"),
            "proxy-url": self.proxy_url,
            "disable-compression": self.disable_compression,
        }
        told: JSONObject = {"server": self.server}
        told.update((name, value) for name, value in fields.items() if value)
        if self.config is not None:
            told["config"] = self.config
        return told


def exec_info(*, api_version: str, interactive: bool, cluster: ClusterInfo | None) -> str:
    """Return the value of ``KUBERNETES_EXEC_INFO``.

    Raises:
        InvalidArgument: The cluster's configuration holds what JSON cannot say.
    """
    spec: JSONObject = {"interactive": interactive}
    if cluster is not None:
        spec["cluster"] = cluster.as_object()
    return encode_object({"kind": _KIND, "apiVersion": api_version, "spec": spec}).decode()


def parse_output(output: bytes, *, api_version: str) -> Credential:
    """Return the credential that a plugin wrote to its standard output.

    Args:
        output: All that it wrote.
        api_version: The version that it was asked to speak.

    Raises:
        DecodeError: It is not an ExecCredential of that version, or holds no credential. Says what is wrong with it,
            and never quotes a value.

    Source:
        client-go plugin/pkg/client/auth/exec/exec.go, ``refreshCredsLocked``.
        Differs: JSON only; a token that no header can carry is refused here.
    """
    try:
        content = decode_object(output)
    except DecodeError:
        detail = "it printed nothing" if not output.strip() else "it printed something that is not a JSON object"
        raise DecodeError(detail) from None
    _check_type(content, api_version)
    status = content.get("status")
    if not isinstance(status, dict):
        detail = "it gave no status"
        raise DecodeError(detail)
    token = _text(status, "token")
    certificate, key = _text(status, "clientCertificateData"), _text(status, "clientKeyData")
    if bool(certificate) != bool(key):
        detail = "it gave a client certificate or its key, and not the other"
        raise DecodeError(detail)
    if not token and not certificate:
        detail = "it gave neither a token nor a client certificate with its key"
        raise DecodeError(detail)
    if token and not is_header_value(token):
        detail = "it gave a token with white space or characters that no header can carry"
        raise DecodeError(detail)
    expires_at = _time(_text(status, "expirationTimestamp"))
    pair = ClientCertificate(_pem(certificate), _pem(key)) if certificate else None
    return Credential(token=token, client_certificate=pair, expires_at=expires_at)


def _check_type(content: JSONObject, api_version: str) -> None:
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind != _KIND:
        detail = f"it printed an object of kind {_shown(kind)}, not {_KIND}"
        raise DecodeError(detail)
    if version != api_version:
        detail = f"it is configured to speak {api_version}, and answered in {_shown(version)}"
        raise DecodeError(detail)


def _shown(value: JSONValue) -> str:
    return repr(value[:_SHOWN_CHARACTERS_MAX]) if isinstance(value, str) else "unknown"


def _text(status: JSONObject, name: str) -> str:
    value = status.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        detail = f"its status.{name} is not a string"
        raise DecodeError(detail)
    return value


def _pem(text: str) -> bytes:
    if not text.isascii():
        detail = "it gave a client certificate or key that is not PEM"
        raise DecodeError(detail)
    return text.encode("ascii")


def _time(text: str) -> datetime.datetime | None:
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        pass
    detail = "its status.expirationTimestamp is not a time as RFC 3339 writes it"
    raise DecodeError(detail)
