"""The rules of pods that few pods break: where they run, how they resolve names, what they claim as a whole."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.objects import pod

CONTAINER: JSONObject = {"name": "main", "image": "nginx"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
ODD = "no name"


def refuse(exchange: Exchange, *specs: JSONObject) -> None:
    """Ask for pods, one for each spec; of those that are accepted, the spec is compared."""
    for spec in specs:
        body: JSONObject = pod("a") | {"spec": {"containers": [CONTAINER], **spec}}
        exchange.request("POST", "pods?dryRun=All", body, select=failure_or_spec)


def failure_or_spec(body: JSONObject) -> JSONValue:
    return body if body["kind"] == "Status" else body["spec"]


def test_affinity_to_nodes(exchange: Exchange) -> None:
    requirements: list[JSONValue] = [
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "NotIn", "values": []},
        {"key": "a", "operator": "Exists", "values": ["b"]},
        {"key": "a", "operator": "DoesNotExist", "values": ["b"]},
        {"key": "a", "operator": "Gt", "values": ["1", "2"]},
        {"key": "a", "operator": "Lt"},
        {"key": "a", "operator": "Like", "values": ["b"]},
        {"key": ODD, "operator": "In", "values": [ODD, "b"]},
        {"operator": "Exists"},
    ]
    fields: list[JSONValue] = [
        {"key": "metadata.name", "operator": "In", "values": ["a", "b"]},
        {"key": "metadata.name", "operator": "NotIn"},
        {"key": "metadata.name", "operator": "Exists"},
        {"key": "metadata.uid", "operator": "In", "values": ["a"]},
        {"key": "metadata.name", "operator": "In", "values": [ODD]},
    ]
    term: JSONObject = {"matchExpressions": requirements, "matchFields": fields}
    good: JSONObject = {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}
    refuse(
        exchange,
        {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [good, term]}}}},
        {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
        {"affinity": {"nodeAffinity": {REQUIRED: {}}}},
        {
            "affinity": {
                "nodeAffinity": {
                    PREFERRED: [
                        {"weight": 0, "preference": term},
                        {"weight": 101, "preference": good},
                        {"weight": 100, "preference": {}},
                    ]
                }
            }
        },
    )


def test_affinity_to_pods(exchange: Exchange) -> None:
    selector: JSONObject = {
        "matchLabels": {"a": "b", ODD: "c"},
        "matchExpressions": [{"key": "d", "operator": "In"}, {"key": "e", "operator": "Gt", "values": ["1"]}],
    }
    labels: JSONObject = {"matchLabels": {"a": "b"}}
    terms: list[JSONObject] = [
        {"topologyKey": "zone"},
        {},
        {"topologyKey": ODD, "labelSelector": selector},
        {"topologyKey": "zone", "labelSelector": labels, "namespaces": ["ok", ODD, "not.a.label"]},
        {"topologyKey": "zone", "labelSelector": labels, "namespaceSelector": selector},
        {"topologyKey": "zone", "matchLabelKeys": ["a"], "mismatchLabelKeys": ["b"]},
        {"topologyKey": "zone", "labelSelector": labels, "matchLabelKeys": [ODD, "x"], "mismatchLabelKeys": [ODD]},
        {"topologyKey": "zone", "labelSelector": labels, "matchLabelKeys": ["a", "x"], "mismatchLabelKeys": ["x"]},
    ]
    weighted: list[JSONValue] = [
        {"weight": 10 * number - 5, "podAffinityTerm": term} for number, term in enumerate(terms)
    ]
    refuse(
        exchange,
        {"affinity": {"podAffinity": {REQUIRED: [*terms]}}},
        {"affinity": {"podAntiAffinity": {REQUIRED: [*terms]}}},
        {"affinity": {"podAffinity": {PREFERRED: weighted}}},
        {"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 101, "podAffinityTerm": terms[0]}]}}},
    )


def test_spread_over_topologies(exchange: Exchange) -> None:
    labels: JSONObject = {"matchLabels": {"a": "b"}}
    ready: JSONObject = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    constraints: list[JSONValue] = [
        {},
        {"maxSkew": -1, "topologyKey": "x", "whenUnsatisfiable": "Ignore"},
        ready,
        ready,
        ready | {"topologyKey": "a", "minDomains": 0},
        ready | {"topologyKey": "b", "minDomains": 1, "whenUnsatisfiable": "ScheduleAnyway"},
        ready | {"topologyKey": "c", "nodeAffinityPolicy": "Maybe", "nodeTaintsPolicy": "Never"},
        ready | {"topologyKey": "d", "matchLabelKeys": ["a"]},
        ready | {"topologyKey": "e", "labelSelector": labels, "matchLabelKeys": [ODD]},
        ready | {"topologyKey": "f", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Odd"}]}},
    ]
    refuse(exchange, {"topologySpreadConstraints": constraints})


def test_name_resolution(exchange: Exchange) -> None:
    many: list[JSONValue] = [f"a{number}.example.com" for number in range(33)]
    long: list[JSONValue] = [f"{'a' * 60}.{'b' * 60}.{number}.example.com" for number in range(16)]
    refuse(
        exchange,
        {"dnsPolicy": "None"},
        {"dnsPolicy": "None", "dnsConfig": {}},
        {"dnsPolicy": "None", "dnsConfig": {"searches": [ODD]}},
        {"dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "::1"]}},
        {"dnsConfig": {"nameservers": ["host", "010.1.1.1", "::ffff:1.2.3.4"]}},
        {"dnsConfig": {"searches": [ODD, ".", "a_b.example.com.", "-a", ""]}},
        {"dnsConfig": {"searches": many}},
        {"dnsConfig": {"searches": long}},
        {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"value": "x"}, {}]}},
    )


def test_resources_of_a_pod_as_a_whole(exchange: Exchange) -> None:
    def containers(**resources: JSONValue) -> list[JSONValue]:
        return [CONTAINER | {"resources": resources}]

    refuse(
        exchange,
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        {"resources": {"requests": {"ephemeral-storage": "1Gi"}}},
        {"resources": {"limits": {"example.com/gpu": "1"}}},
        {"resources": {"limits": {"gpu": "1"}}},
        {"resources": {"limits": {ODD: "1"}}},
        {"resources": {"limits": {"memory": "-1"}}},
        {"resources": {"claims": [{"name": "c"}]}},
        {"resources": {"requests": {"cpu": "1"}}, "containers": containers(requests={"cpu": "1500m"})},
        {"resources": {"limits": {"cpu": "1"}}, "containers": containers(limits={"cpu": "1500m"})},
        {"resources": {"limits": {"cpu": "1"}}, "containers": containers(requests={"cpu": "1500m"})},
        {"resources": {"limits": {"hugepages-2Mi": "2Mi"}}},
        {"resources": {"limits": {"cpu": "1", "hugepages-2Mi": "3Mi"}}},
        {"resources": {"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}, "requests": {"hugepages-2Mi": "2Mi"}}},
        {
            "resources": {"limits": {"cpu": "2", "hugepages-2Mi": "2Mi"}},
            "containers": containers(limits={"cpu": "1", "hugepages-2Mi": "4Mi"}),
        },
        {
            "resources": {"requests": {"memory": "1Gi"}},
            "initContainers": [{"name": "i", "image": "i", "resources": {"requests": {"memory": "2Gi"}}}],
        },
        {"os": {"name": "windows"}, "resources": {"requests": {"cpu": "1"}}},
    )


def test_resources_of_containers(exchange: Exchange) -> None:
    def containers(**resources: JSONValue) -> JSONObject:
        return {"containers": [CONTAINER | {"resources": resources}]}

    refuse(
        exchange,
        containers(limits={"example.com/gpu": "1"}, requests={"example.com/gpu": "2"}),
        containers(requests={"example.com/gpu": "1"}),
        containers(limits={"example.com/gpu": "1500m"}),
        containers(limits={"hugepages-2Mi": "2Mi"}),
        containers(limits={"cpu": "1", "hugepages-2Mi": "3Mi"}),
        containers(limits={"cpu": "1", "hugepages-odd": "3Mi"}),
        containers(limits={"cpu": "1", "hugepages-2Mi": "4Mi"}, requests={"hugepages-2Mi": "2Mi"}),
        containers(limits={"requests.example.com/gpu": "1"}),
        containers(limits={"kubernetes.io/odd": "1"}),
        containers(limits={"services": "1"}),
        containers(limits={"odd": "1"}),
    )


def test_claims_of_resources(exchange: Exchange) -> None:
    claims: list[JSONValue] = [
        {"name": "a", "resourceClaimName": "a"},
        {"name": "b", "resourceClaimTemplateName": "b"},
        {"resourceClaimName": "c"},
        {"name": "a", "resourceClaimName": "d"},
        {"name": ODD, "resourceClaimName": "e"},
        {"name": "f", "resourceClaimName": "f", "resourceClaimTemplateName": "f"},
        {"name": "g"},
        {"name": "h", "resourceClaimName": ODD},
        {"name": "i", "resourceClaimTemplateName": ODD},
    ]
    used: list[JSONValue] = [
        {"name": "a"},
        {"name": "b", "request": "x"},
        {"name": "b", "request": "x"},
        {"name": "b"},
        {"name": "a", "request": "y"},
        {"name": "b", "request": ODD},
        {"name": "z"},
        {},
    ]
    whole: list[JSONValue] = [claims[0], claims[1]]
    refuse(
        exchange,
        {"resourceClaims": claims},
        {"resourceClaims": whole, "containers": [CONTAINER | {"resources": {"claims": used}}]},
        {"containers": [CONTAINER | {"resources": {"claims": [{"name": "a"}]}}]},
        {
            "resourceClaims": whole,
            "initContainers": [{"name": "i", "image": "i", "resources": {"claims": [{"name": "z"}]}}],
        },
    )


def test_systems(exchange: Exchange) -> None:
    windows: JSONObject = {"name": "windows"}
    linux_only: JSONObject = {
        "appArmorProfile": {"type": "RuntimeDefault"},
        "seLinuxOptions": {"level": "s0"},
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"add": ["X"]},
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "procMount": "Default",
        "runAsUser": 1,
        "runAsGroup": 1,
    }
    pod_only: JSONObject = {
        "appArmorProfile": {"type": "RuntimeDefault"},
        "seLinuxOptions": {"level": "s0"},
        "seccompProfile": {"type": "RuntimeDefault"},
        "fsGroup": 1,
        "fsGroupChangePolicy": "Always",
        "runAsUser": 1,
        "runAsGroup": 1,
        "supplementalGroups": [1],
        "supplementalGroupsPolicy": "Merge",
        "seLinuxChangePolicy": "Recursive",
    }
    options: JSONObject = {"windowsOptions": {"runAsUserName": "me"}}
    refuse(
        exchange,
        {"os": {}},
        {"os": {"name": "plan9"}},
        {
            "os": {"name": "linux"},
            "securityContext": options,
            "containers": [CONTAINER | {"securityContext": options}],
            "initContainers": [{"name": "i", "image": "i", "securityContext": options}],
        },
        {"os": windows, "securityContext": pod_only},
        {"os": windows, "hostUsers": True, "hostPID": True, "hostIPC": True, "shareProcessNamespace": False},
        {
            "os": windows,
            "containers": [CONTAINER | {"securityContext": linux_only}],
            "initContainers": [{"name": "i", "image": "i", "securityContext": {"privileged": False}}],
        },
    )


def test_options_of_windows(exchange: Exchange) -> None:
    def options(**values: JSONValue) -> JSONObject:
        return {"windowsOptions": values}

    names = [
        "",
        "a\tb",
        "a\\b\\c",
        f"{'d' * 256}\\u",
        "-\\u",
        "a.example.com\\u",
        "d\\",
        "u" * 105,
        ". .",
        "a/b",
        "d\\u",
    ]
    for name in names:
        refuse(exchange, {"securityContext": options(runAsUserName=name)})
    refuse(
        exchange,
        {"containers": [CONTAINER | {"securityContext": options(runAsUserName="")}]},
        {"securityContext": options(gmsaCredentialSpecName=ODD, gmsaCredentialSpec="")},
        {"securityContext": options(hostProcess=True)},
        {"securityContext": options(hostProcess=True), "hostNetwork": True},
        {
            "securityContext": options(hostProcess=True),
            "hostNetwork": True,
            "containers": [CONTAINER | {"securityContext": options(hostProcess=False)}],
        },
        {
            "hostNetwork": True,
            "containers": [CONTAINER | {"securityContext": options(hostProcess=True)}, CONTAINER | {"name": "b"}],
        },
    )


def test_gates_and_hosts(exchange: Exchange) -> None:
    refuse(
        exchange,
        {"readinessGates": [{"conditionType": "example.com/a"}, {"conditionType": ODD}]},
        {"schedulingGates": [{"name": "example.com/a"}, {"name": ODD}, {"name": "example.com/a"}]},
        {"shareProcessNamespace": True, "hostPID": True},
        {"hostUsers": False, "hostPID": True, "hostIPC": True},
        {"hostNetwork": True, "containers": [CONTAINER | {"ports": [{"containerPort": 80, "hostPort": 81}]}]},
        {"hostnameOverride": ODD, "hostNetwork": True, "setHostnameAsFQDN": True},
        {"hostnameOverride": "a" * 65},
    )


def test_templates_have_the_same_rules(exchange: Exchange) -> None:
    labels: JSONObject = {"app": "a"}
    spec: JSONObject = {
        "containers": [CONTAINER],
        "dnsPolicy": "None",
        "overhead": {"odd": "1"},
        "affinity": {"podAffinity": {REQUIRED: [{}]}},
        "os": {"name": "plan9"},
        "runtimeClassName": ODD,
        "priorityClassName": ODD,
    }
    exchange.post(
        "apps/v1/deployments?dryRun=All",
        {
            "metadata": {"name": "a"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        },
    )


def test_what_runtime_classes_say(exchange: Exchange) -> None:
    classes = "/apis/node.k8s.io/v1/runtimeclasses?dryRun=All"
    rules: list[JSONObject] = [
        {"overhead": {"podFixed": {"odd": "1"}}},
        {"overhead": {"podFixed": {"cpu": "-1"}}},
        {"scheduling": {"nodeSelector": {ODD: "x"}}},
        {"scheduling": {"tolerations": [{"operator": "Equal"}, {"key": "a"}, {"key": "b", "effect": "Odd"}]}},
        {"scheduling": {"tolerations": [{"key": "a"}, {"key": "b"}, {"key": "a"}]}},
        {"handler": ""},
    ]
    for rule in rules:
        exchange.post(classes, {"metadata": {"name": exchange.namespace}, "handler": "h", **rule})
