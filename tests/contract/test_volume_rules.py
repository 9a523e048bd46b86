"""The rules of what is inside volumes: those of one storage system, and what is projected into them."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import Exchange
from tests.contract.test_kind_rules import ask
from tests.contract.test_pod_rules import ODD, refuse

IQN = "iqn.2001-04.com.example:storage.disk2"
SECRET: JSONObject = {"name": "s", "namespace": "n"}
ISCSI: JSONObject = {"targetPortal": "1.2.3.4:3260", "iqn": IQN, "lun": 0}
DISKS: dict[str, list[JSONObject]] = {
    "iscsi": [
        {"targetPortal": "", "iqn": "", "lun": -1, "chapAuthDiscovery": True, "initiatorName": ""},
        ISCSI | {"iqn": "iqn.odd", "lun": 256, "chapAuthSession": True, "secretRef": {}, "initiatorName": "iqn.odd"},
        ISCSI | {"iqn": "eui.odd", "initiatorName": "naa.odd", "targetPortal": "a" * 70},
        ISCSI | {"iqn": "odd"},
        ISCSI | {"iqn": f"eui.{'0' * 16}", "initiatorName": f"naa.{'0' * 32}"},
        ISCSI | {"iqn": f"iqn and {IQN}"},
    ],
    "gcePersistentDisk": [{"pdName": ""}, {"pdName": "a", "partition": 256}, {"pdName": "a", "partition": 0}],
    "awsElasticBlockStore": [{"volumeID": ""}, {"volumeID": "a", "partition": -1}],
    "glusterfs": [{"endpoints": "", "path": ""}],
    "flocker": [{}, {"datasetName": "a/b", "datasetUUID": "c"}, {"datasetUUID": "c"}],
    "rbd": [{"monitors": [], "image": ""}],
    "cinder": [{"volumeID": "", "secretRef": {}}, {"volumeID": "a", "secretRef": {"name": "s"}}],
    "cephfs": [{"monitors": []}],
    "quobyte": [
        {"registry": "", "volume": ""},
        {"registry": "a,b:1,[::1]:2,::3", "volume": "v"},
        {"registry": "a:1", "volume": "v", "tenant": "t" * 65},
    ],
    "fc": [
        {},
        {"targetWWNs": ["a", "b"], "wwids": ["c"]},
        {"targetWWNs": ["a"], "lun": 256},
        {"wwids": ["a"], "lun": -1},
    ],
    "flexVolume": [{"driver": "", "options": {"kubernetes.io/a": "b"}}, {"driver": "a/b", "options": {"a": "b"}}],
    "azureFile": [{"secretName": "", "shareName": ""}],
    "azureDisk": [
        {"diskName": "", "diskURI": "", "cachingMode": "Odd", "kind": "Odd"},
        {"diskName": "a", "diskURI": "https://a", "kind": "Managed"},
        {"diskName": "a", "diskURI": "/subscriptions/a"},
        {"diskName": "a", "diskURI": "/subscriptions/a", "kind": "Managed", "cachingMode": "None"},
    ],
    "vsphereVolume": [{"volumePath": ""}],
    "photonPersistentDisk": [{"pdID": ""}],
    "portworxVolume": [{"volumeID": ""}],
    "scaleIO": [{"gateway": "", "system": "", "secretRef": None}],
    "storageos": [
        {},
        {"volumeName": ODD, "volumeNamespace": ODD, "secretRef": {}},
        {"volumeName": "a", "secretRef": {"name": "s"}},
    ],
}
PERSISTENT: dict[str, list[JSONObject]] = {
    "glusterfs": [
        {"endpoints": "e", "path": "p", "endpointsNamespace": ""},
        {"endpoints": "e", "path": "p", "endpointsNamespace": ODD},
    ],
    "azureFile": [{"secretName": "s", "shareName": "s", "secretNamespace": ""}],
    "cinder": [{"volumeID": "a", "secretRef": SECRET}],
    "csi": [
        {"driver": "", "volumeHandle": ""},
        {
            "driver": "d",
            "volumeHandle": "h",
            "controllerPublishSecretRef": {},
            "controllerExpandSecretRef": {"name": ODD, "namespace": ODD},
            "nodePublishSecretRef": SECRET,
            "nodeExpandSecretRef": {"name": "a"},
        },
    ],
}


def volumes(*sources: JSONObject) -> JSONObject:
    return {"volumes": [{"name": f"v{number}", **source} for number, source in enumerate(sources)]}


def test_disks_of_pods(exchange: Exchange) -> None:
    for key, sources in DISKS.items():
        refuse(exchange, volumes(*({key: source} for source in sources)))
    refuse(exchange, volumes({key: sources[-1] for key, sources in DISKS.items()} | {"hostPath": {"path": "/"}}))


def test_persistent_disks(exchange: Exchange) -> None:
    def disk(source: JSONObject) -> JSONObject:
        return {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **source}}

    for key, sources in [*DISKS.items(), *PERSISTENT.items()]:
        ask(exchange, "/api/v1/persistentvolumes", *(disk({key: source}) for source in sources))
    ask(
        exchange,
        "/api/v1/persistentvolumes",
        disk({key: sources[-1] for key, sources in DISKS.items()} | {"hostPath": {"path": "/"}}),
    )


def test_trust_bundles_and_certificates(exchange: Exchange) -> None:
    def projected(*sources: JSONObject) -> JSONObject:
        return volumes({"projected": {"sources": [*sources]}})

    def bundles(*found: JSONObject) -> JSONObject:
        return projected(*({"clusterTrustBundle": {"path": f"p{at}", **item}} for at, item in enumerate(found)))

    def certificates(*found: JSONObject) -> JSONObject:
        ready: JSONObject = {"signerName": "example.com/a", "keyType": "ED25519"}
        return projected(*({"podCertificate": {"keyPath": f"k{at}", **ready, **item}} for at, item in enumerate(found)))

    selector: JSONObject = {"matchLabels": {ODD: "b"}}
    names = ["", "a", "a/b", ODD, "a/b/c", f"{'a' * 64}.b/c", "a.b/C", "A.b/c.-", f"{'a.' * 127}b/c", "a.b/c.d"]
    refuse(
        exchange,
        bundles({}, {"name": "a", "signerName": "a.b/c", "optional": True}, {"name": ""}, {"name": ODD}),
        bundles({"name": "a.b:c:d"}, {"name": "a.b:c:D"}, {"name": "a", "labelSelector": {"matchLabels": {"a": "b"}}}),
        bundles(*({"signerName": name} for name in names)),
        bundles({"signerName": "a.b/c", "labelSelector": selector}),
        bundles({"name": "a", "path": ""}, {"name": "a", "path": "/a"}, {"name": "a", "path": "..a"}),
        bundles({"name": "a", "path": "a"}, {"name": "a", "path": "a"}, {"signerName": "a.b/c", "path": "b"}),
        certificates({"signerName": "", "keyType": ""}, {"signerName": ODD, "keyType": "RSA1024"}),
        certificates({"maxExpirationSeconds": 3599}, {"maxExpirationSeconds": 91 * 24 * 3600 + 1}),
        certificates({"signerName": "kubernetes.io/a", "maxExpirationSeconds": 24 * 3600 + 1}),
        certificates({"keyPath": ""}, {"keyPath": "/a", "certificateChainPath": "..", "credentialBundlePath": "../a"}),
        certificates({"keyPath": "a", "certificateChainPath": "a"}, {"credentialBundlePath": "a"}),
        certificates({"userAnnotations": {"Example.com/A": "b", "c": "d"}}, {"userAnnotations": {ODD: "e"}}),
        certificates({"maxExpirationSeconds": 3600, "userAnnotations": {"example.com/a": "b"}}, {}),
        certificates({}),
    )
