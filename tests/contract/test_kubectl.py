"""The same session of kubectl on both servers: a judge that knows nothing of kubeprims.

No controller runs on either side, so a script writes each status, and what only a controller finishes stays out of it.
What the embedded server answers with an error that says so is left out, too (docs/explanation/fidelity.md).
"""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from tests.contract.backends import Backend, EmbeddedBackend, wait_until_served
from tests.contract.exchange import ContractBroken
from tests.contract.kubectl import NAME, Session, kubectl_minor, normal, recorded_minor
from tests.contract.recording import load_steps

_IS_RECORDING = bool(os.environ.get("KUBEPRIMS_RECORD_CONTRACT"))
_COMMANDS_MIN = 40

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: nginx:1
        ports: [{containerPort: 80, name: http}]
        resources: {requests: {cpu: 500m, memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {colour: blue, size: "3"}
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: shop, labels: {app: probe}, finalizers: [example.com/hold]}
spec:
  nodeName: node-1
  containers:
  - {name: main, image: 'busybox:1', command: [sleep, '3600'], env: [{name: A, value: b}]}
"""

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.shop.example.com}
spec:
  group: shop.example.com
  names: {kind: Gadget, plural: gadgets, singular: gadget, shortNames: [gd]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.count, statusReplicasPath: .status.count}
    additionalPrinterColumns:
    - {name: Count, type: integer, jsonPath: .spec.count}
    schema:
      openAPIV3Schema:
        type: object
        description: A thing that a shop sells.
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [count]
            properties:
              count: {type: integer, minimum: 0, description: How many.}
              colour: {type: string, enum: [red, blue], default: red, description: Its colour.}
          status:
            type: object
            properties:
              count: {type: integer}
"""

SHARED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: shared, namespace: shop}
data: {k: '1'}
"""

GADGET = """
apiVersion: shop.example.com/v1
kind: Gadget
metadata: {name: lamp, namespace: shop}
spec: {count: 2}
"""

ROLLED_OUT = {
    "status": {
        "observedGeneration": 4,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "It has them."}
        ],
    }
}


def objects(kubectl: Session) -> None:
    """Create, look at and change what a shop needs."""
    kubectl("create namespace shop")
    kubectl("create namespace shop")
    kubectl("get namespace shop")
    kubectl("apply -f -", DEPLOYMENT)
    kubectl("apply -f -", DEPLOYMENT)
    kubectl("get deployments,services,configmaps -n shop")
    kubectl("get deployment web -n shop -o wide")
    kubectl("get deployment web -n shop -o yaml")
    kubectl("get service web -n shop -o json")
    kubectl("get configmap settings -n shop -o jsonpath={.data.colour}")
    kubectl("get deployments -A -l app=web --show-labels")
    kubectl("get configmaps -n shop --field-selector metadata.name=settings -o name")
    kubectl("describe deployment web -n shop")
    kubectl("describe service web -n shop")
    kubectl("diff -f -", DEPLOYMENT.replace("colour: blue", "colour: green"))
    kubectl("apply -f - --dry-run=server", DEPLOYMENT.replace("colour: blue", "colour: green"))
    kubectl("apply -f -", DEPLOYMENT.replace("colour: blue", "colour: green"))


def changes(kubectl: Session) -> None:
    """Change objects in every way that kubectl has."""
    kubectl("scale deployment web -n shop --replicas 3")
    kubectl("scale deployment web -n shop --current-replicas 9 --replicas 1")
    kubectl("set image deployment/web -n shop main=nginx:2")
    kubectl("set env deployment/web -n shop MODE=fast")
    kubectl("patch deployment web -n shop --subresource status --type merge -p '" + json.dumps(ROLLED_OUT) + "'")
    kubectl("rollout status deployment/web -n shop --timeout 10s")
    kubectl("wait deployment/web -n shop --for condition=Available --timeout 10s")
    kubectl("wait deployment/web -n shop --for jsonpath={.status.readyReplicas}=3 --timeout 10s")
    kubectl("label configmap settings -n shop tier=front")
    kubectl("label configmap settings -n shop tier=back")
    kubectl("label configmap settings -n shop tier=back --overwrite")
    kubectl("annotate configmap settings -n shop note=hello")
    kubectl("""patch configmap settings -n shop --type json -p '[{"op":"remove","path":"/data/size"}]'""")
    kubectl("""patch configmap settings -n shop --type merge -p '{"data":{"weight":"7"}}'""")
    kubectl("""patch deployment web -n shop -p '{"spec":{"template":{"metadata":{"labels":{"x":"y"}}}}}'""")
    kubectl("""patch configmap settings -n shop --type json -p '[{"op":"remove","path":"/data/none"}]'""")
    kubectl("edit configmap settings -n shop", editor="sed -i s/green/yellow/")
    kubectl("get configmap settings -n shop -o yaml")
    kubectl("create configmap more -n shop --from-literal a=1")
    kubectl("describe configmap more -n shop")  # of one member: kubectl shows several in any order
    kubectl("create secret generic key -n shop --from-literal password=hidden")
    kubectl("describe secret key -n shop")
    kubectl("create serviceaccount robot -n shop")
    kubectl("create role reader -n shop --verb get,list --resource pods")
    kubectl("create rolebinding readers -n shop --role reader --serviceaccount shop:robot")
    kubectl("describe role reader -n shop")
    kubectl("describe rolebinding readers -n shop")
    kubectl("create job once -n shop --image busybox:1")
    kubectl("get jobs -n shop")
    kubectl("create cronjob nightly -n shop --image busybox:1 --schedule '0 3 * * *'")
    kubectl("get cronjobs -n shop")


def pods(kubectl: Session) -> None:
    """Make a pod, watch over it, and have it deleted in the face of a finalizer."""
    kubectl("create -f -", POD)
    kubectl("get pods -n shop -o wide")
    kubectl("""patch pod probe -n shop --subresource status -p '{"status":{"phase":"Running"}}'""")
    kubectl("get pod probe -n shop")
    kubectl("wait pod/probe -n shop --for jsonpath={.status.phase}=Running --timeout 10s")
    kubectl("describe pod probe -n shop")
    kubectl("delete pod probe -n shop --wait=false --force --grace-period 0")
    kubectl("get pod probe -n shop -o jsonpath={.metadata.finalizers}")
    kubectl("""patch pod probe -n shop --type merge -p '{"metadata":{"finalizers":null}}'""")
    kubectl("wait pod/probe -n shop --for delete --timeout 10s")
    kubectl("get pod probe -n shop")


def server_side(kubectl: Session) -> None:
    """Apply on the server's side, with two managers who do not agree."""
    kubectl("apply --server-side --field-manager first -f -", SHARED)
    kubectl("apply --server-side --field-manager second -f -", SHARED.replace("'1'", "'2'"))
    kubectl("apply --server-side --field-manager second --force-conflicts -f -", SHARED.replace("'1'", "'2'"))
    kubectl("get configmap shared -n shop -o yaml --show-managed-fields")


def custom_resources(kubectl: Session, backend: Backend) -> None:
    """Define a kind, and use it."""
    kubectl("create -f -", DEFINITION)
    wait_until_served(backend, "/apis/shop.example.com/v1/gadgets")
    kubectl("wait crd/gadgets.shop.example.com --for condition=Established --timeout 10s")
    kubectl("apply -f -", GADGET)
    kubectl("get gd -n shop")
    kubectl("apply -f -", GADGET.replace("count: 2", "count: 2, colour: green"))
    kubectl("apply -f -", GADGET.replace("count: 2", "count: 2, smell: none"))
    kubectl("create -f - --validate=false", GADGET.replace("lamp", "bare").replace("count: 2", "colour: red"))
    kubectl("scale gadget lamp -n shop --replicas 5")
    kubectl("get gadget lamp -n shop -o yaml")
    kubectl("explain gadget.spec")
    kubectl("explain gadget.spec.colour")
    kubectl("api-resources --api-group shop.example.com")
    kubectl("delete gadget lamp -n shop")
    kubectl("get gadgets -n shop")


def mistakes(kubectl: Session) -> None:
    """Do what users do, and should not."""
    kubectl("get pod nobody -n shop")
    kubectl("get gizmos -n shop")
    kubectl("create -f -", POD.replace("name: probe", "name: Not_A_Name"))
    kubectl("create -f -", DEPLOYMENT.replace("replicas: 2", "replicas: -2"))
    kubectl("apply -f -", DEPLOYMENT.replace("replicas: 2", "replics: 2"))
    kubectl("delete configmap more -n shop --dry-run=server")
    kubectl("delete configmap more -n shop")
    kubectl("delete configmap more -n shop")
    kubectl("auth whoami -o jsonpath={.kind}")
    kubectl("get configmaps -n shop --sort-by .metadata.name -o custom-columns=NAME:.metadata.name")
    kubectl("replace -f -", SHARED.replace("'1'", "'3'"))
    kubectl("delete deployment,service -l app=web -n shop")


def run(kubectl: Session, backend: Backend) -> None:
    objects(kubectl)
    changes(kubectl)
    pods(kubectl)
    server_side(kubectl)
    custom_resources(kubectl, backend)
    mistakes(kubectl)


@pytest.mark.timeout(240)
def test_kubectl_sees_no_difference(backend: Backend, tmp_path: pathlib.Path) -> None:
    if not kubectl_minor():
        pytest.skip("kubectl is not installed")
    if not _IS_RECORDING and kubectl_minor() != recorded_minor():
        pytest.skip(f"recorded with kubectl {recorded_minor()}, and {kubectl_minor()} is installed")
    expected = [] if _IS_RECORDING else load_steps(NAME)
    kubectl = Session(backend, tmp_path, expected=expected, is_recording=_IS_RECORDING)
    run(kubectl, backend)
    kubectl.finish()


def test_the_session_is_long_enough_and_mostly_succeeds() -> None:
    codes = [step["exit"] for step in load_steps(NAME)[1:]]
    assert len(codes) >= _COMMANDS_MIN
    assert codes.count(0) > _COMMANDS_MIN


def test_the_session_can_fail(embedded_backend: EmbeddedBackend, tmp_path: pathlib.Path) -> None:
    if not kubectl_minor():
        pytest.skip("kubectl is not installed")
    recorded = [{"kubectl": kubectl_minor()}, {"command": "get pods -n none", "exit": 0, "stdout": ["something else"]}]
    kubectl = Session(embedded_backend, tmp_path, expected=[*recorded, {"command": "version"}])
    kubectl("get pods -n none")
    with pytest.raises(ContractBroken, match="1 more steps are recorded") as caught:
        kubectl.finish()
    assert "-stdout: something else" in str(caught.value)
    assert "+stderr: No resources found in none namespace." in str(caught.value)


def test_outputs_are_compared_without_chance_and_with_all_else() -> None:
    assert normal("NAME   READY   AGE\nweb    0/2     12s\n") == ["NAME  READY  AGE", "web  0/2  <age>"]
    assert normal("NAME       READY   AGE\nweb-long   0/2     3m4s\n") == ["NAME  READY  AGE", "web-long  0/2  <age>"]
    assert normal("  uid: 12345678-1234-1234-1234-123456789abc") == ["  uid: <uid>"]
    assert normal('Invalid value: "{\\"a\\": 1}": it is not') == ['Invalid value: "<the object>": it is not']
    assert normal("timeout=1s period=10s") == ["timeout=1s period=10s"]
