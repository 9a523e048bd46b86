"""The rules of where data is kept, for the volumes of pods and for persistent ones.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateHostPathVolumeSource`` and those beside it.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.defaulting import text
from kubeprims.testing.apiserver.kind_rules import Problems, no_way_back, one_of, present, too_long
from kubeprims.testing.apiserver.kind_validation_disks import secret_reference_problems
from kubeprims.testing.apiserver.status import FieldProblem

_HOST_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_DRIVER_BYTES_MAX = 63


def host_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with a folder of the node."""
    place = text(source, "path")
    if not place:
        yield FieldProblem.required(f"{path}.path", "")
        return
    yield from no_way_back(place, f"{path}.path")
    yield from one_of(source, "type", path, _HOST_TYPES)


def network_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with a folder of another machine."""
    yield from present(source, path, "server", "path")
    if not text(source, "path").startswith("/"):
        yield FieldProblem.invalid(f"{path}.path", text(source, "path"), "must be an absolute path")


def driver_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with the name of a driver."""
    driver = text(source, "driver")
    if not driver:
        yield FieldProblem.required(f"{path}.driver", "")
    if len(driver) > _DRIVER_BYTES_MAX:
        yield too_long(f"{path}.driver", _DRIVER_BYTES_MAX)
    for broken in dns_subdomain_problems(driver.lower()) if driver else ():
        yield FieldProblem.invalid(f"{path}.driver", driver, broken)


def persistent_driver_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with what a driver keeps."""
    yield from driver_problems(source, path)
    yield from present(source, path, "volumeHandle")
    yield from secret_reference_problems(
        source,
        path,
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    )


def local_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with a disk of one node."""
    yield from present(source, path, "path")
    yield from no_way_back(text(source, "path"), f"{path}.path")
