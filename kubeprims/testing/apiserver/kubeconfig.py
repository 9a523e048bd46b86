"""A kubeconfig for the embedded server: JSON, which every reader of YAML reads."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.tls import ClientCertificate

_NAME = "kubeprims"


def make_kubeconfig(
    url: str,
    *,
    ca_pem: bytes | None = None,
    certificate: ClientCertificate | None = None,
    token: str = "",
    namespace: str = "default",
) -> JSONObject:
    """Return a kubeconfig with one cluster, one user and one context.

    Args:
        url: Of the server.
        ca_pem: The certificate authority to trust; None for plain HTTP.
        certificate: The user's client certificate.
        token: The user's bearer token; empty for none.
        namespace: The context's default namespace.
    """
    cluster: JSONObject = {"server": url}
    if ca_pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    user: dict[str, JSONValue] = {"token": token} if token else {}
    if certificate is not None:
        user["client-certificate-data"] = base64.b64encode(certificate.certificate_pem).decode()
        user["client-key-data"] = base64.b64encode(certificate.key_pem).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": user}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}],
        "current-context": _NAME,
    }


def write_kubeconfig(path: str | os.PathLike[str], config: JSONObject) -> Path:
    """Write a kubeconfig that only its owner can read, in one step, and return its path.

    Raises:
        OSError: The file cannot be written.
    """
    return write_file(path, json.dumps(config, indent=2).encode() + b"\n")


def write_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file that only its owner can read, in one step: beside it first, then renamed. Return its path.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(path)
    staging = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        staging.replace(target)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    return target
