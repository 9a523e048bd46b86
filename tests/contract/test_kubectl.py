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
from tests.contract.mutants import mishears_header
from tests.contract.recording import load_steps

_IS_RECORDING = bool(os.environ.get("KUBEPRIMS_RECORD_CONTRACT"))
_COMMANDS_MIN = 150
_FIELDS = r"\S.*| +\S+\t<.*"

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

NODE = """
apiVersion: v1
kind: Node
metadata: {name: shop-node}
"""

EVENT = """
apiVersion: v1
kind: Event
metadata: {name: probe.1, namespace: shop}
involvedObject: {apiVersion: v1, kind: Pod, name: probe, namespace: shop}
reason: Pulled
message: There it is.
type: Normal
count: 2
firstTimestamp: '2026-01-01T00:00:00Z'
lastTimestamp: '2026-01-01T00:00:01Z'
source: {component: kubelet}
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
        "observedGeneration": 8,
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
    kubectl("get deployments -A -l app=web --field-selector metadata.namespace=shop --show-labels")
    kubectl("get deployments,services -n shop -l 'app in (web),!old' -o name")
    kubectl("get deployment web -n shop -o 'go-template={{.spec.replicas}}'")
    kubectl("get deployment/web service/web -n shop -o 'jsonpath={range .items[*]}{.kind}:{.metadata.name} {end}'")
    kubectl("get --raw /readyz")
    kubectl("get configmaps -n shop --field-selector metadata.name=settings -o name")
    kubectl("describe deployment web -n shop")
    kubectl("describe service web -n shop")
    kubectl("diff -f -", DEPLOYMENT.replace("colour: blue", "colour: green"))
    kubectl("diff -f -", DEPLOYMENT)
    kubectl("apply -f - --dry-run=server", DEPLOYMENT.replace("colour: blue", "colour: green"))
    kubectl("apply -f -", DEPLOYMENT.replace("colour: blue", "colour: green"))


def generated(kubectl: Session) -> None:
    """Have kubectl write the objects, of many kinds, and list them."""
    kubectl("create deployment api -n shop --image nginx:1 --replicas 1 --port 8080")
    kubectl("get deployments -n shop --sort-by .spec.replicas")
    kubectl("get deployments -n shop --sort-by .metadata.name -o wide")
    kubectl("create service clusterip cache -n shop --tcp 6379:6379")
    kubectl("create service nodeport front -n shop --tcp 80:8080")
    kubectl("create service externalname far -n shop --external-name far.example.com")
    kubectl("expose deployment api -n shop --name exposed --port 80 --target-port 8080")
    kubectl("get services -n shop -o wide")
    kubectl("describe service front -n shop")
    kubectl("create configmap dry -n shop --from-literal a=1 --dry-run=server -o yaml")
    kubectl("create ingress shop -n shop --rule 'shop.example.com/*=web:80'")
    kubectl("get ingresses -n shop")
    kubectl("create poddisruptionbudget web -n shop --selector app=web --min-available 1")
    kubectl("get poddisruptionbudgets -n shop")
    kubectl("create quota small -n shop --hard pods=3,services=20")
    kubectl("get quota small -n shop -o yaml")
    kubectl("autoscale deployment api -n shop --min 1 --max 3 --cpu-percent 50")
    kubectl("create clusterrole shop-reader --verb get --resource pods,deployments.apps")
    kubectl("create clusterrolebinding shop-readers --clusterrole shop-reader --group shoppers")
    kubectl("get clusterrole shop-reader -o yaml")
    kubectl("get clusterrolebinding shop-readers -o wide")
    kubectl("delete clusterrole,clusterrolebinding shop-reader shop-readers")
    kubectl("delete clusterrolebinding shop-readers --ignore-not-found")
    kubectl("create -f -", NODE)
    kubectl("cordon shop-node")
    kubectl("taint node shop-node kind=shop:NoSchedule")
    kubectl("get node shop-node")
    kubectl("uncordon shop-node")
    kubectl("get node shop-node -o yaml")
    kubectl("delete node shop-node")


def changes(kubectl: Session) -> None:
    """Change a deployment in every way that kubectl has."""
    kubectl("scale deployment web -n shop --replicas 3")
    kubectl("scale deployment web -n shop --current-replicas 9 --replicas 1")
    kubectl("set image deployment/web -n shop main=nginx:2")
    kubectl("set env deployment/web -n shop MODE=fast")
    kubectl("set env deployment/web -n shop --list")
    kubectl("set resources deployment/web -n shop --limits cpu=1,memory=128Mi")
    kubectl("set serviceaccount deployment/web robot -n shop")
    kubectl("rollout pause deployment/web -n shop")
    kubectl("rollout pause deployment/web -n shop")
    kubectl("rollout resume deployment/web -n shop")
    kubectl("patch deployment web -n shop --subresource status --type merge -p '" + json.dumps(ROLLED_OUT) + "'")
    kubectl("rollout status deployment/web -n shop --timeout 10s")
    kubectl("wait deployment/web -n shop --for condition=Available --timeout 10s")
    kubectl("wait deployment/web -n shop --for jsonpath={.status.readyReplicas}=3 --timeout 10s")
    kubectl("wait deployment/web -n shop --for condition=Progressing --timeout 3s")
    kubectl("rollout restart deployment/web -n shop")
    kubectl("get deployment web -n shop -o yaml")
    kubectl("describe deployment web -n shop")


def data(kubectl: Session) -> None:
    """Change, and describe, what has no status."""
    kubectl("label configmap settings -n shop tier=front")
    kubectl("label configmap settings -n shop tier=back")
    kubectl("label configmap settings -n shop tier=back --overwrite")
    kubectl("annotate configmap settings -n shop note=hello")
    kubectl("""patch configmap settings -n shop --type json -p '[{"op":"remove","path":"/data/size"}]'""")
    kubectl("""patch configmap settings -n shop --type merge -p '{"data":{"weight":"7"}}'""")
    kubectl("""patch deployment web -n shop -p '{"spec":{"template":{"metadata":{"labels":{"x":"y"}}}}}'""")
    kubectl("""patch configmap settings -n shop --type json -p '[{"op":"remove","path":"/data/none"}]'""")
    kubectl("annotate configmap settings -n shop note-")
    kubectl("label configmap settings -n shop tier-")
    kubectl("label configmap settings -n shop absent-")
    kubectl("edit configmap settings -n shop", editor="sed -i s/green/yellow/")
    kubectl("edit configmap settings -n shop", editor="true")
    kubectl("apply view-last-applied configmap settings -n shop")
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
    kubectl("get secrets,serviceaccounts,roles,rolebindings -n shop")
    kubectl("create job once -n shop --image busybox:1")
    kubectl("get jobs -n shop")
    kubectl("get job once -n shop -o 'jsonpath={.spec.completions} {.spec.backoffLimit} {.spec.suspend}'")
    kubectl("create cronjob nightly -n shop --image busybox:1 --schedule '0 3 * * *'")
    kubectl("get cronjobs -n shop")
    kubectl("create job now -n shop --from cronjob/nightly")
    kubectl("get jobs -n shop -o wide --sort-by .metadata.name")


def pods(kubectl: Session) -> None:
    """Make a pod, watch over it, and have it deleted in the face of a finalizer."""
    kubectl("create -f -", POD)
    kubectl("get pods -n shop -o wide")
    kubectl("""patch pod probe -n shop --subresource status -p '{"status":{"phase":"Running"}}'""")
    kubectl("get pod probe -n shop")
    kubectl("wait pod/probe -n shop --for jsonpath={.status.phase}=Running --timeout 10s")
    kubectl("describe pod probe -n shop")
    kubectl("wait pod/probe -n shop --for condition=Ready --timeout 3s")
    kubectl("get pods -n shop --field-selector status.phase=Running,spec.nodeName=node-1 -o name")
    kubectl("get pods -n shop --field-selector status.phase!=Running")
    kubectl("delete pod probe -n shop --dry-run=server")
    kubectl("delete pod probe -n shop --wait=false")
    kubectl("get pod probe -n shop")
    kubectl("get pod probe -n shop -o yaml")
    kubectl("delete pod probe -n shop --wait=false --force --grace-period 0")
    kubectl("get pod probe -n shop -o jsonpath={.metadata.finalizers}")
    kubectl("""patch pod probe -n shop --type merge -p '{"metadata":{"finalizers":null}}'""")
    kubectl("wait pod/probe -n shop --for delete --timeout 10s")
    kubectl("get pod probe -n shop")
    kubectl("run one -n shop --image busybox:1 --restart Never --labels app=one -- sleep 1")
    kubectl("get pod one -n shop -o yaml")
    kubectl("""patch pod one -n shop --type json -p '[{"op":"add","path":"/spec/hostname","value":"a"}]'""")
    kubectl("delete pods --all -n shop")
    kubectl("create -f -", EVENT)
    kubectl("events -n shop")
    kubectl("get events -n shop")


def server_side(kubectl: Session) -> None:
    """Apply on the server's side, with two managers who do not agree."""
    kubectl("apply --server-side --field-manager first -f -", SHARED)
    kubectl("apply --server-side --field-manager second -f -", SHARED.replace("'1'", "'2'"))
    kubectl("apply --server-side --field-manager second --force-conflicts -f -", SHARED.replace("'1'", "'2'"))
    kubectl("get configmap shared -n shop -o yaml --show-managed-fields")
    kubectl("apply --server-side -f -", SHARED.replace("'1'", "'2'"))


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
    kubectl("describe gadget lamp -n shop")
    kubectl("""patch gadget lamp -n shop --subresource status --type merge -p '{"status":{"count":5}}'""")
    kubectl("wait gadget/lamp -n shop --for jsonpath={.status.count}=5 --timeout 10s")
    kubectl("""patch gadget lamp -n shop -p '{"spec":{"count":1}}'""")
    kubectl("edit gadget lamp -n shop", editor="sed -i 's/colour: red/colour: blue/'")
    kubectl("diff -f -", GADGET)
    kubectl(
        "create -f - --validate=warn", GADGET.replace("lamp", "warned").replace("count: 2", "count: 2, smell: none")
    )
    kubectl("apply --server-side -f -", GADGET.replace("count: 2", "count: 7"))
    kubectl("get gadgets -n shop -o wide --show-labels")
    kubectl("get crd gadgets.shop.example.com")
    kubectl("get crd gadgets.shop.example.com -o yaml")
    kubectl("explain gadget", keep=_FIELDS)  # the prose of metadata is upstream's
    kubectl("explain gadget --recursive")
    kubectl("explain gadget.spec")
    kubectl("explain gadget.spec.colour")
    kubectl("api-resources --api-group shop.example.com")
    kubectl("""patch gadget lamp -n shop --type merge -p '{"metadata":{"finalizers":["example.com/hold"]}}'""")
    kubectl("delete gadget lamp warned -n shop --wait=false")
    kubectl("wait gadget/lamp -n shop --for delete --timeout 3s")
    kubectl("""patch gadget lamp -n shop --type json -p '[{"op":"remove","path":"/metadata/finalizers"}]'""")
    kubectl("get gadgets -n shop")
    kubectl("delete crd gadgets.shop.example.com")
    kubectl("wait crd/gadgets.shop.example.com --for delete --timeout 10s")


def discovery(kubectl: Session) -> None:
    """Ask what there is, and who one is."""
    # Other tests define kinds of their own, and the embedded server has not every group.
    kubectl("api-versions", keep=r"(apps|batch|autoscaling|policy)/.*|v1|networking\S+")
    kubectl("api-resources --api-group apps -o wide --sort-by name")
    kubectl("api-resources --api-group batch")
    kubectl("api-resources --api-group rbac.authorization.k8s.io --namespaced=false -o name")
    # OpenAPI of the embedded server describes built-in kinds without prose.
    kubectl("explain deployment.spec --recursive", keep=_FIELDS)
    kubectl("explain configmap", keep=_FIELDS)
    kubectl("explain pod.spec.containers.ports", keep=_FIELDS)
    kubectl("explain pod.spec.nothing")
    kubectl("auth whoami --as jane --as-group dev")
    kubectl("auth can-i list pods -n shop")


def mistakes(kubectl: Session) -> None:
    """Do what users do, and should not."""
    kubectl("get pod nobody -n shop")
    kubectl("get gizmos -n shop")
    kubectl("get configmap settings nothing -n shop -o name")
    kubectl("get pods -n shop --field-selector spec.nothing=1")
    kubectl("get pods -n shop -l 'a in'")
    kubectl("replace -f -", SHARED.replace("name: shared", "name: absent"))
    kubectl("delete configmap absent -n shop --ignore-not-found")
    kubectl("create -f -", SHARED.replace("namespace: shop", "namespace: nowhere"))
    kubectl("create -n shop -f -", SHARED.replace("kind: ConfigMap", "kind: Nothing"))
    kubectl("create -f -", SHARED.replace("k: '1'", "k: 1"))
    other_labels = DEPLOYMENT.replace("metadata: {labels: {app: web}}", "metadata: {labels: {app: x}}")
    kubectl("create -f -", other_labels.replace("name: web, namespace", "name: odd, namespace"))
    kubectl("""patch configmap settings -n shop --type merge -p '{"data":{"n":1}}'""")
    kubectl("""patch configmap settings -n shop --type merge -p '{"data":'""")
    kubectl("label configmap settings -n shop 'key=not a value'")
    kubectl("scale configmap settings -n shop --replicas 1")
    kubectl("set image deployment/web -n shop nobody=nginx:2")
    kubectl("create -f -", POD.replace("name: probe", "name: Not_A_Name"))
    kubectl("create -f -", DEPLOYMENT.replace("replicas: 2", "replicas: -2"))
    kubectl("apply -f -", DEPLOYMENT.replace("replicas: 2", "replics: 2"))
    kubectl("delete configmap more -n shop --dry-run=server")
    kubectl("delete configmap more -n shop")
    kubectl("delete configmap more -n shop")
    kubectl("auth whoami -o jsonpath={.kind}")
    kubectl("get configmaps -n shop --sort-by .metadata.name -o custom-columns=NAME:.metadata.name")
    kubectl("replace -f -", SHARED.replace("'1'", "'3'"))
    kubectl("replace --force -f -", SHARED.replace("'1'", "'4'"))
    kubectl("delete -f - --wait=false", SHARED)
    kubectl("delete deployment,service -l app=web -n shop")


def run(kubectl: Session, backend: Backend) -> None:
    objects(kubectl)
    generated(kubectl)
    changes(kubectl)
    data(kubectl)
    pods(kubectl)
    server_side(kubectl)
    custom_resources(kubectl, backend)
    discovery(kubectl)
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
    assert codes.count(0) > _COMMANDS_MIN / 2


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


def test_a_broken_server_is_noticed(tmp_path: pathlib.Path) -> None:
    if not kubectl_minor():
        pytest.skip("kubectl is not installed")
    with mishears_header("accept", "as=Table;", "") as server:
        kubectl = Session(EmbeddedBackend(server), tmp_path, expected=load_steps(NAME))
        objects(kubectl)
        assert any("kubectl get namespace shop" in difference for difference in kubectl.differences)


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ("NAME   READY   AGE\nweb    0/2     12s\n", ["NAME  READY  AGE", "web  0/2  <age>"]),
        ("NAME       READY   AGE\nweb-long   0/2     3m4s\n", ["NAME  READY  AGE", "web-long  0/2  <age>"]),
        ("NAME   DURATION   AGE\nonce              5y12d\n", ["NAME  DURATION  AGE", "once    <age>"]),
        ("LAST SEEN   TYPE\n4m          Normal\n", ["LAST SEEN  TYPE", "<age>  Normal"]),
        (
            "LAST SEEN            TYPE\n4d3h (x2 over 331d)  Warning\n",
            ["LAST SEEN  TYPE", "<age> (x2 over <age>)  Warning"],
        ),
        ("  uid: 12345678-1234-1234-1234-123456789abc", ["  uid: <uid>"]),
        ('Invalid value: "{\\"a\\": 1}": it is not', ['Invalid value: "<the object>": it is not']),
        ('  resourceVersion: "12"', ['  resourceVersion: "<rv>"']),
        ("  Resource Version:  12", ["  Resource Version:  <rv>"]),
        ("PORT(S)        AGE\n80:30123/TCP   3s", ["PORT(S)  AGE", "80:<node port>/TCP  <age>"]),
        ("    nodePort: 30123", ["    nodePort: <node port>"]),
        ("NodePort:  <unset>  30123/TCP", ["NodePort:  <unset>  <node port>/TCP"]),
        ("IP:  10.0.0.17", ["IP:  <cluster IP>"]),
        ("at 2026-11-24T12:00:00Z", ["at <time>"]),
        ('E1124 12:45:07.274320  14510 reflector.go:166] "Unhandled Error"\nerror: timed out', ["error: timed out"]),
    ],
)
def test_chance_is_taken_out_of_outputs(output: str, kept: list[str]) -> None:
    assert normal(output) == kept


@pytest.mark.parametrize(
    "line",
    [
        "timeout=1s period=10s",
        "            cpu: 500m",
        "Tolerations:  node.kubernetes.io/not-ready:NoExecute op=Exists for 300s",
        "    image: registry:30123",
        "startedAt: 1999-01-01T00:00:00Z",
        "  blanks   stay     ",
        "3600",
    ],
)
def test_all_else_is_compared(line: str) -> None:
    assert normal(line) == [line]
