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
