"""The rules of jobs and of cron jobs."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import MERGE_PATCH, Exchange

CONTAINER: JSONObject = {"name": "main", "image": "nginx"}
TEMPLATE: JSONObject = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
ODD = "no name"


def failure_or_kind(body: JSONObject) -> JSONValue:
    return body if body["kind"] == "Status" else body["kind"]


def ask(exchange: Exchange, *specs: JSONObject, name: str = "a") -> None:
    """Ask for jobs, one for each spec; those that are accepted are not kept."""
    for spec in specs:
        job: JSONObject = {"metadata": {"name": name}, "spec": {"template": TEMPLATE, **spec}}
        exchange.request("POST", "batch/v1/jobs?dryRun=All", job, select=failure_or_kind)


def test_counts(exchange: Exchange) -> None:
    counts = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    both: JSONObject = {"completionMode": "Indexed", "completions": 3}
    many: JSONObject = {"completionMode": "Indexed", "completions": 100_001, "backoffLimitPerIndex": 1}
    ask(
        exchange,
        dict.fromkeys((*counts, "backoffLimitPerIndex", "maxFailedIndexes"), -1) | {"completionMode": "Indexed"},
        {"completionMode": "Odd"},
        {"completionMode": "Indexed"},
        {"backoffLimitPerIndex": 1, "maxFailedIndexes": 1},
        both | {"maxFailedIndexes": 1},
        both | {"backoffLimitPerIndex": 1, "maxFailedIndexes": 4},
        both | {"parallelism": 100_001},
        many,
        many | {"maxFailedIndexes": 10_001, "parallelism": 10_001},
        many | {"maxFailedIndexes": 100_001, "completions": 200_000},
        {"template": {"spec": {"containers": [CONTAINER]}}},
        {"template": {"spec": {"restartPolicy": "Sometimes", "containers": [CONTAINER]}}},
        {"podReplacementPolicy": "Soon"},
    )
    ask(exchange, both, name="a.b")
    for manager in ("", "me", "/me", "example.com/", f"{ODD}/me", "example.com/a b", f"example.com/{'a' * 60}"):
        ask(exchange, {"managedBy": manager})


def test_what_becomes_of_failures(exchange: Exchange) -> None:
    def policy(*rules: JSONObject) -> JSONObject:
        return {"podFailurePolicy": {"rules": [*rules]}}

    condition: JSONObject = {"type": "DisruptionTarget", "status": "True"}
    one: JSONObject = {"operator": "In", "values": [1]}
    plain: JSONObject = {"action": "Ignore", "onExitCodes": one}
    ask(
        exchange,
        policy(
            {"onExitCodes": one},
            plain | {"action": "Odd"},
            plain | {"action": "FailIndex"},
            {"action": "Ignore"},
            plain | {"onPodConditions": [condition]},
            {"action": "Count", "onPodConditions": [{"type": ODD, "status": "Maybe"}, {"type": "A"}]},
        ),
        policy(
            plain | {"onExitCodes": {"operator": "Odd", "values": [1]}},
            plain | {"onExitCodes": {"values": [1]}},
            plain | {"onExitCodes": {"operator": "In", "values": []}},
            plain | {"onExitCodes": {"operator": "In", "values": [0, 2, 1, 2]}},
            plain | {"onExitCodes": {"operator": "NotIn", "values": [0], "containerName": "lost"}},
            plain | {"onExitCodes": {"operator": "In", "values": [*range(1, 257)]}},
        ),
        policy(*[plain] * 21),
        policy({"action": "Count", "onPodConditions": [condition] * 21}),
        policy(plain) | {"podReplacementPolicy": "TerminatingOrFailed"},
        policy(plain) | {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [CONTAINER]}}},
        policy(plain),
    )


def test_what_is_success(exchange: Exchange) -> None:
    def policy(*rules: JSONObject) -> JSONObject:
        return {"completionMode": "Indexed", "completions": 5, "successPolicy": {"rules": [*rules]}}

    ask(
        exchange,
        {"successPolicy": {"rules": [{"succeededCount": 1}]}},
        policy(),
        policy({}),
        policy({"succeededCount": -1}, {"succeededCount": 6}, {"succeededCount": 3, "succeededIndexes": "0,2"}),
        policy({"succeededIndexes": "0-5"}, {"succeededIndexes": "2,1,x"}, {"succeededIndexes": ""}),
        policy(*[{"succeededCount": 1}] * 21),
        policy({"succeededCount": 2, "succeededIndexes": "0,2-4"}),
    )


def test_jobs_change(exchange: Exchange) -> None:
    def change(path: str, *specs: JSONObject) -> None:
        for spec in specs:
            body: JSONObject = {"spec": spec}
            exchange.request("PATCH", path, body, content_type=MERGE_PATCH, select=outcome)

    def outcome(body: JSONObject) -> JSONValue:
        # A template is shown as Go has it.
        details = body.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        found = [item for item in causes if isinstance(item, dict)] if isinstance(causes, list) else []
        if any(str(item["field"]).startswith("spec.template") for item in found):
            return [item["field"] for item in found]
        return failure_or_kind(body)

    def post(name: str, **spec: JSONValue) -> str:
        exchange.post("batch/v1/jobs", {"metadata": {"name": name}, "spec": {"template": TEMPLATE, **spec}})
        return f"batch/v1/jobs/{name}"

    change(
        post("plain"),
        {"completions": 2},
        {"parallelism": 2},
        {"managedBy": "example.com/me"},
        {"backoffLimitPerIndex": 1},
        {"selector": {"matchLabels": {"a": "b"}}},
        {"template": {"spec": {"nodeSelector": {"a": "b"}}}},
    )
    change(
        post("indexed", completionMode="Indexed", completions=2, parallelism=2),
        {"completions": 3},
        {"completions": 3, "parallelism": 3},
        {"completions": None},
        {"completionMode": None},
        {"successPolicy": {"rules": [{"succeededCount": 1}]}},
    )
    node: JSONObject = {"preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "weight": 1}
    preferred: JSONObject = {"preferredDuringSchedulingIgnoredDuringExecution": [node]}
    other: JSONObject = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}
    path = post("suspended", suspend=True)
    change(
        path,
        {"template": {"spec": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}]}}},
        {"template": {"spec": {"affinity": {"nodeAffinity": preferred}}}},
        {"template": {"spec": {"affinity": {"podAffinity": other}}}},
        {"template": {"spec": {"affinity": None}}},
        {"template": {"metadata": {"annotations": {"a": "b"}}}},
        {"template": {"spec": {"schedulingGates": [{"name": "a"}]}}},
        {"template": {"spec": {"containers": [CONTAINER | {"resources": {"requests": {"cpu": "1"}}}]}}},
        {"template": {"spec": {"containers": [CONTAINER | {"image": "other"}]}}},
        {"template": {"spec": {"priorityClassName": "system-node-critical"}}},
    )
    exchange.request(
        "PATCH",
        f"{path}/status",
        {"status": {"startTime": "2001-01-01T00:00:00Z"}},
        content_type=MERGE_PATCH,
        select=failure_or_kind,
    )
    change(path, {"template": {"spec": {"nodeSelector": {"a": "c"}}}})
    suspended: JSONObject = {"conditions": [{"type": "Suspended", "status": "True"}]}
    exchange.request("PATCH", f"{path}/status", {"status": suspended}, content_type=MERGE_PATCH, select=failure_or_kind)
    change(path, {"template": {"spec": {"nodeSelector": {"a": "c"}}}})


def test_schedules(exchange: Exchange) -> None:
    def ask_for(**spec: JSONValue) -> None:
        whole: JSONObject = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}, **spec}
        job: JSONObject = {"metadata": {"name": "a"}, "spec": whole}
        exchange.request("POST", "batch/v1/cronjobs?dryRun=All", job, select=failure_or_kind)

    for schedule in (
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "1-2-3 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "1/2/3 * * * *",
        "-1 * * * *",
        "1--2 * * * *",
        "+1 * * * *",
        "1,x * * * *",
        ", * * * *",
        "* * * foo *",
        "* * * JAN-mar sun",
        "* * * dec-jan *",
        "? ? ? ? ?",
        "*-5 * * * *",
        "*/70 * * * *",
        "59/2 * * * *",
        "99999999999999999999 * * * *",
        "1_0 * * * *",
        "* * * *",
        "* * * * * *",
        "@hourly",
        "@never",
        "@Hourly",
        "@every 1h30m",
        "@every soon",
        "@every ",
        "@every 5",
        "@every -1.5h",
        "TZ=Europe/Berlin * * * * *",
        "CRON_TZ=Mars/Here * * * * *",
        "TZ=UTC",
        "* * * * * TZ",
        "",
    ):
        ask_for(schedule=schedule)
    for zone in ("", "Europe/Berlin", "Mars/Here", "local", "Local", "../UTC", "-a/b", "a b", "UTC"):
        ask_for(timeZone=zone)
