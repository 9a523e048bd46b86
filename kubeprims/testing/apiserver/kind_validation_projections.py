"""The rules of what is projected into the volumes of pods for TLS: trust bundles, and certificates of the pod.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateProjectionSources``, and names.go beside it.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.selectors import dns_subdomain_problems, label_key_problems
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    label_selector,
    number,
    present,
    relative_path,
    too_long,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import name_rules_broken
from kubeprims.testing.apiserver.status import FieldProblem, quoted

TWICE = "conflicting duplicate paths"
"""The rule that two files in one place break."""

_KEYS = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_DAY_S = 24 * 3600
_LIFETIME_S_MIN, _LIFETIME_S_MAX = 3600, 91 * _DAY_S
_DOMAIN_BYTES_MAX, _SIGNER_BYTES_MAX = 253, 571
_DOMAIN_SEGMENTS_MIN = 2
_SIGNER_RULE = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_ANNOTATION_BYTES_MAX = 256 * 1024


def reserved_place_problems(place: str, field: str) -> Problems:
    """Return what is wrong with a path in a volume: none of the names of its machinery may begin it."""
    yield from relative_path(place, field)
    if place.startswith("..") and not place.startswith("../"):
        yield FieldProblem.invalid(field, place, "must not start with '..'")


def trust_bundle_problems(bundle: JSONObject, path: str) -> Problems:
    """Return what is wrong with a trust bundle, but for whether its file is in the way of another."""
    if "name" in bundle and "signerName" in bundle:
        shown: JSONObject = {
            "Name": bundle["name"],
            "SignerName": bundle["signerName"],
            "LabelSelector": bundle.get("labelSelector"),
            "Optional": bundle.get("optional"),
            "Path": text(bundle, "path"),
            "User": bundle.get("user"),
        }
        yield FieldProblem.invalid(path, shown, "only one of name and signerName may be used")
    elif "name" in bundle:
        yield from _bundle_name_problems(text(bundle, "name"), f"{path}.name")
        if "labelSelector" in bundle:
            rule = "labelSelector must be unset if name is specified"
            yield FieldProblem.invalid(f"{path}.labelSelector", bundle["labelSelector"], rule)
    elif "signerName" in bundle:
        if not text(bundle, "signerName"):
            yield FieldProblem.required(f"{path}.signerName", "must be a valid signer name")
        yield from signer_problems(text(bundle, "signerName"), f"{path}.signerName")
        yield from label_selector(bundle.get("labelSelector"), f"{path}.labelSelector")
    else:
        yield FieldProblem.required(path, "either name or signerName must be specified")
    yield from present(bundle, path, "path")
    yield from reserved_place_problems(text(bundle, "path"), f"{path}.path")


def _bundle_name_problems(name: str, field: str) -> Problems:
    if not name:
        yield FieldProblem.required(field, "must be a valid object name")
    # What stands before the last colon is its signer, with a colon for the slash.
    for broken in dns_subdomain_problems(name.rpartition(":")[2]):
        yield FieldProblem.invalid(field, name, f"not a valid clustertrustbundlename: {broken}")


def signer_problems(name: str, field: str) -> Problems:
    """Return what is wrong with the name of a signer: a domain, a slash and a path."""
    domain, _, place = name.partition("/")
    if not name:
        yield FieldProblem.required(field, "")
        return
    if name.count("/") != 1:
        yield FieldProblem.invalid(field, name, _SIGNER_RULE)
        return
    if len(domain) > _DOMAIN_BYTES_MAX:
        yield too_long(field, _DOMAIN_BYTES_MAX)
    labels = domain.split(".")
    wrong = next(filter(_label_problems, labels), None)
    for broken in () if wrong is None else _label_problems(wrong):
        yield FieldProblem.invalid(field, domain, f"validating label {quoted(wrong)}: {broken}")
    if len(labels) < _DOMAIN_SEGMENTS_MIN:
        yield FieldProblem.invalid(field, domain, "should be a domain with at least two segments separated by dots")
    wrong = next((label for label in place.split(".") if [*dns_subdomain_problems(label)]), None)
    for broken in () if wrong is None else dns_subdomain_problems(wrong):
        yield FieldProblem.invalid(field, place, f"validating label {quoted(wrong)}: {broken}")
    if len(name) > _SIGNER_BYTES_MAX:
        yield too_long(field, _SIGNER_BYTES_MAX)


def _label_problems(label: str) -> list[str]:
    return [*name_rules_broken(label, NameRule.DNS_LABEL)]


def certificate_problems(certificate: JSONObject, path: str) -> Problems:
    """Return what is wrong with a certificate of the pod, but for where its files go."""
    signer = text(certificate, "signerName")
    yield from signer_problems(signer, f"{path}.signerName")
    yield from _annotation_problems(mapping(certificate, "userAnnotations"), f"{path}.userAnnotations")
    kind = text(certificate, "keyType")
    if kind not in _KEYS:
        yield FieldProblem.unsupported(f"{path}.keyType", kind, _KEYS)
    lifetime_s, field = number(certificate, "maxExpirationSeconds"), f"{path}.maxExpirationSeconds"
    if lifetime_s is None:
        return
    longest_s = _DAY_S if f".{signer.partition('/')[0]}".endswith(".kubernetes.io") else _LIFETIME_S_MAX
    if lifetime_s < _LIFETIME_S_MIN:
        rule = f"if provided, maxExpirationSeconds must be >= {_LIFETIME_S_MIN}"
        yield FieldProblem.invalid(field, lifetime_s, rule)
    if lifetime_s > longest_s:
        yield FieldProblem.invalid(field, lifetime_s, f"if provided, maxExpirationSeconds must be <= {longest_s}")


def certificate_file_problems(certificate: JSONObject, path: str, volume_path: str, places: set[str]) -> Problems:
    """Return what is wrong with where the files of a certificate go; they are added to those of the volume."""
    found = [key for key in ("credentialBundlePath", "keyPath", "certificateChainPath") if certificate.get(key)]
    for key in found:
        place = text(certificate, key)
        yield from reserved_place_problems(place, f"{path}.{key}")
        yield from twice_problems(place, places, volume_path)
    if not found:
        rule = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        yield FieldProblem.required(path, rule)


def twice_problems(place: str, places: set[str], volume_path: str) -> Problems:
    """Return what is wrong with a second file in one place; the place is added to those that are taken."""
    if place in places:
        yield FieldProblem.invalid(volume_path, place, TWICE)
    places.add(place)


def _annotation_problems(annotations: JSONObject, path: str) -> Problems:
    for key in sorted(annotations):
        if not key:
            yield FieldProblem.required(path, "")
            continue
        broken = [*label_key_problems(key.lower())]
        if not broken and "/" not in key:
            broken = ['must be a domain-prefixed key (such as "acme.io/foo")']
        for rule in broken:
            yield FieldProblem.invalid(path, key.lower(), rule)
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES_MAX:
        yield too_long(path, _ANNOTATION_BYTES_MAX)
