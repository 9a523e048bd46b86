"""``elect``: a command that runs while this process leads, and no longer."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeprims.cli.main import main
from kubeprims.cli.process_group import ProcessGroup
from kubeprims.client.client import Client
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Delay, Match, Stall
from tests.leaderelection.locking import LEASES, holder, put, rewrite
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 30.0
TIMES = ("--lease-duration", "3s", "--renew-deadline", "2s", "--retry-period", "500ms")

Elect = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def elect(kubeprims_apiserver: APIServer, tmp_path: Path) -> Iterator[Elect]:
    """Start the command as a process of its own."""
    kubeconfig = kubeprims_apiserver.write_kubeconfig(tmp_path / "config")
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kubeprims", "elect", "--name", "web", "-n", "default", "--identity", "me"]
        process = subprocess.Popen(
            [*command, "--kubeconfig", str(kubeconfig), *TIMES, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


def wait_until_it_runs(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"


def test_a_command_that_ends_gives_its_exit_code_and_the_lock_is_released(
    elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    process = elect("--", "sh", "-c", "exit 7")
    assert process.wait(TIMEOUT_S) == 7
    assert holder(kubeprims_apiserver, LEASES) == ""


@case("LE-A39")
def test_a_command_is_told_to_end_by_a_signal_and_the_lock_is_released(
    elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    process = elect("--", "sh", "-c", "echo runs; exec sleep 100")
    wait_until_it_runs(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_a_command_that_does_not_end_is_killed(elect: Elect, kubeprims_apiserver: APIServer) -> None:
    process = elect("--grace", "100ms", "--", "sh", "-c", "trap '' TERM; echo runs; while :; do sleep 0.1; done")
    wait_until_it_runs(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 4
    assert holder(kubeprims_apiserver, LEASES) == "", "it has ended, if by force"


@pytest.mark.parametrize("how", ["told", "by itself", "killed"])
def test_what_a_command_has_started_ends_before_the_lock_is_released(
    how: str, elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    trap = "trap '' TERM; " if how == "killed" else ""
    end = "exit 7" if how == "by itself" else "wait"
    process = elect("--grace", "200ms" if trap else "1h", "--", "sh", "-c", f"{trap}sleep 1000 & echo $!; {end}")
    assert process.stdout is not None
    started = int(process.stdout.readline())
    if how != "by itself":
        process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == {"told": 0, "by itself": 7, "killed": 4}[how]
    assert not is_running(started)
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_what_a_command_has_started_ends_when_elect_is_killed(elect: Elect, kubeprims_apiserver: APIServer) -> None:
    process = elect("--", "sh", "-c", "trap '' TERM; echo $$; sleep 1000 & echo $!; wait")
    assert process.stdout is not None
    started = [int(process.stdout.readline()) for _ in range(2)]
    # A command may say something before elect has gone on, and told its keeper of it.
    renewal = Match(verb="update", resource="leases")
    for _ in range(2):
        assert kubeprims_apiserver.faults.add(Delay(delay_s=0.0), renewal).wait_for_hits(timeout_s=TIMEOUT_S)
    process.kill()
    for pid in started:
        eventually(lambda pid=pid: not is_running(pid), TIMEOUT_S, f"the end of {started}")  # type: ignore[misc]


@pytest.mark.parametrize("shell", ["/bin/sh", "/no/such/shell"])
def test_a_command_runs_and_ends_also_where_there_is_no_shell_to_watch_it(
    shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeprims.cli.process_group._SHELL", shell)
    group = ProcessGroup((sys.executable, "-c", "raise SystemExit(7)"), orphan_grace_s=1.0)
    assert group.ended.wait(TIMEOUT_S)
    group.close(TIMEOUT_S)
    assert group.exit_code == 7


def test_a_command_that_cannot_be_run_is_one_line_and_the_lock_is_released(
    elect: Elect, kubeprims_apiserver: APIServer, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0")
    program.chmod(0o755)
    process = elect("--", str(program))
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert err == f"leader: me\nleader: nobody\nerror: [Errno 8] Exec format error: '{program}'\n"
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_the_exit_code_is_the_commands_also_if_nothing_can_be_written(kubeprims_kubeconfig: Path) -> None:
    assert kubeprims_kubeconfig.exists()
    command = [sys.executable, "-m", "kubeprims", "elect", "--name", "web", "-n", "default", *TIMES]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*command, "--", "sh", "-c", "exit 7"], stderr=full, check=False, timeout=TIMEOUT_S)
    assert ended.returncode == 7


def test_who_may_not_ask_says_why_it_does_not_lead_once_and_on_one_line(
    elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    refusal = b'{"kind":"Status","status":"Failure","reason":"Forbidden","code":403,"message":"no\\u001b[2J\\nway"}'
    fault = kubeprims_apiserver.faults.add(Answer(code=403, body=refusal), Match(resource="leases"), count=None)
    process = elect("--", "true")
    assert fault.wait_for_hits(3, timeout_s=TIMEOUT_S)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=TIMEOUT_S)
    [said] = [line for line in err.splitlines() if "a request of the election" in line]
    assert said.endswith("403 Forbidden: no\ufffd[2J way")


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # whoever inherits orphans may never ask for their exit codes


def test_a_command_ends_with_the_term(elect: Elect, kubeprims_client: Client, kubeprims_apiserver: APIServer) -> None:
    process = elect("--", "sh", "-c", "echo runs; exec sleep 100")
    wait_until_it_runs(process)
    rewrite(kubeprims_client, LEASES, LeaderElectionRecord(holder_identity="you", lease_duration_s=15))
    assert process.wait(TIMEOUT_S) == 3
    assert holder(kubeprims_apiserver, LEASES) == "you"


@case("LE-A39")
@pytest.mark.parametrize("verb", ["update", "get"])
def test_a_signal_during_a_request_or_a_release_ends_it_in_time(
    verb: str, elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    process = elect("--", "sh", "-c", "echo runs; exec sleep 100")
    wait_until_it_runs(process)
    fault = kubeprims_apiserver.faults.add(Stall(), Match(verb=verb, resource="leases"), count=None)
    if verb == "update":
        assert fault.wait_for_hits(timeout_s=TIMEOUT_S)  # a renewal hangs; else it is the read before the release
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) in {0, 3}
    kubeprims_apiserver.faults.clear()
    fault.release()


def test_a_command_that_takes_its_time_to_end_is_killed_once_the_lock_is_not_renewed_any_more(
    elect: Elect, kubeprims_apiserver: APIServer
) -> None:
    process = elect("--grace", "1h", "--", "sh", "-c", "trap '' TERM; echo runs; while :; do sleep 0.1; done")
    wait_until_it_runs(process)
    fault = kubeprims_apiserver.faults.add(Stall(), Match(resource="leases"), count=None)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 4, "its hour to end counts only while nobody else may lead"
    kubeprims_apiserver.faults.clear()
    fault.release()


@case("LE-A39")
def test_a_second_signal_ends_it_at_once(elect: Elect) -> None:
    process = elect("--grace", "1h", "--", "sh", "-c", "trap 'echo told' TERM; echo runs; while :; do sleep 0.1; done")
    wait_until_it_runs(process)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "told\n"  # so the first signal has done its work
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 130


@case("LE-A39")
def test_one_who_never_leads_runs_nothing(elect: Elect, kubeprims_apiserver: APIServer) -> None:
    put(kubeprims_apiserver, LEASES, LeaderElectionRecord(holder_identity="you", lease_duration_s=3600))
    process = elect("--", "sh", "-c", "echo runs")
    assert process.stderr is not None
    assert process.stderr.readline() == "leader: you\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert out == ""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, "lock: there is none; the first candidate makes it\n"),
        (LeaderElectionRecord(lease_duration_s=1, leader_transitions=2), "holder: nobody, after 2 transitions\n"),
        (LeaderElectionRecord(holder_identity="you", lease_duration_s=15), "holder: you, after 0 transitions\n"),
    ],
)
def test_explain_says_who_leads_and_what_the_times_mean(
    record: LeaderElectionRecord | None,
    expected: str,
    kubeprims_apiserver: APIServer,
    kubeprims_kubeconfig: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if record is not None:
        put(kubeprims_apiserver, LEASES, record)
    assert main(["elect", "--name", "web", "-n", "default", *TIMES, "--explain"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(expected)
    assert "times: lease 3 s, renew deadline 2 s, retry period 0.5 s, requests up to 1 s\n" in out
    assert "overlap: none while clocks run equally fast" in out
    assert "clocks: a candidate's may run up to 1.50 times as fast" in out
    assert "failover: within 5.1 s after the leader has died if the lock is watched, 5.2 s if it is polled" in out
    if record is not None and record.holder_identity:
        [takeover_s] = re.findall(r"takeover: in ([0-9.]+) s", out)
        assert 0.0 < float(takeover_s) <= 14.5
    assert kubeprims_kubeconfig.exists()


def test_a_holder_cannot_steer_the_terminal(
    kubeprims_apiserver: APIServer, kubeprims_kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kubeprims_kubeconfig.exists()
    put(
        kubeprims_apiserver,
        LEASES,
        LeaderElectionRecord(holder_identity="you\x1b[2J\ntakeover: now", lease_duration_s=15),
    )
    assert main(["elect", "--name", "web", "-n", "default", *TIMES, "--explain"]) == 0
    assert capsys.readouterr().out.startswith("holder: you\ufffd[2J\ufffdtakeover: now, after 0 transitions\n")


def test_a_missing_command_and_times_without_margin_are_refused(
    kubeprims_kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kubeprims_kubeconfig.exists()
    assert main(["elect", "--name", "web", "-n", "default"]) == 1
    assert "say what to run while leading, after --" in capsys.readouterr().err
    assert main(["elect", "--name", "web", "-n", "default", "--", "no-such-program"]) == 1
    assert capsys.readouterr().err == "error: there is no program no-such-program to run while leading\n"
    assert main(["elect", "--name", "web", "--lease-duration", "5s", "--", "true"]) == 1
    assert "lease_duration_s" in capsys.readouterr().err
