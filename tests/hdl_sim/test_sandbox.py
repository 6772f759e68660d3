"""The sandbox: limits hold, nothing survives, nothing outside the folder is reached."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autovcoder.errors import ToolFailed, ToolMissing
from hdl_sim import sandbox
from hdl_sim.limits import Limits
from hdl_sim.sandbox import Finished, active_layers, run_confined

SH = "/bin/sh"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def has_landlock() -> bool:
    return any("Landlock" in layer for layer in active_layers())


def sh(command: str, folder: Path, limits: Limits | None = None, env: dict[str, str] | None = None) -> Finished:
    return run_confined([SH, "-c", command], cwd=folder, limits=limits or Limits(wall_s=20), env=env)


def processes_with(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_output_and_exit_status_come_back(tmp_path: Path) -> None:
    done = sh("echo out; echo err >&2; exit 3", tmp_path)
    assert (done.returncode, done.stdout, done.stderr, done.reason) == (3, "out\n", "err\n", "exited")


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    assert sh(r"printf '\377ok'", tmp_path).stdout == "\ufffdok"


def test_environment_is_empty_but_for_what_tools_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    names = {line.split("=")[0] for line in sh("env", tmp_path, env={"EXTRA": "1"}).stdout.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LANG", "HOME", "TMPDIR", "TMP", "TEMP", "EXTRA"}


def test_stdin_is_empty(tmp_path: Path) -> None:
    assert sh("cat; echo done", tmp_path).stdout == "done\n"


def test_wall_time_ends_a_sleeper(tmp_path: Path) -> None:
    started = time.monotonic()
    done = sh("sleep 60", tmp_path, Limits(wall_s=0.3))
    assert done.reason == "wall_timeout"
    assert time.monotonic() - started < 20


def test_cpu_time_ends_a_busy_loop(tmp_path: Path) -> None:
    assert sh("while :; do :; done", tmp_path, Limits(wall_s=300, cpu_s=1)).reason == "cpu_timeout"


def test_output_is_capped(tmp_path: Path) -> None:
    done = sh("yes", tmp_path, Limits(output_kb=8))
    assert done.reason == "output_limit"
    assert len(done.stdout) <= 8 * 1024 + 1


def test_file_size_is_capped(tmp_path: Path) -> None:
    assert sh("yes > big", tmp_path, Limits(file_mb=1)).reason == "file_limit"
    assert (tmp_path / "big").stat().st_size <= 1 << 20


@linux_only
def test_memory_is_capped(tmp_path: Path) -> None:
    limits = Limits(memory_mb=256)
    done = run_confined(
        [sys.executable, "-I", "-S", "-c", "bytearray(1 << 30)"],
        cwd=tmp_path,
        limits=limits,
        readable=[Path(sys.prefix), Path(sys.base_prefix)],
    )
    assert done.reason == "memory"


@linux_only
def test_nothing_is_left_running(tmp_path: Path) -> None:
    word = f"7{os.getpid()}.25"
    for command in (
        f"sleep {word} & exit 0",
        f"setsid sleep {word} & exit 0",
        f"(setsid setsid sleep {word} &) ; exit 0",
    ):
        assert sh(command, tmp_path).returncode == 0
        assert processes_with(word) == []


@linux_only
def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    word = f"8{os.getpid()}.25"
    sh(f"sleep {word} & setsid sleep {word} & wait", tmp_path, Limits(wall_s=0.5))
    assert processes_with(word) == []


def test_files_outside_the_folder_are_out_of_reach(tmp_path: Path) -> None:
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    inside, outside = tmp_path / "in", tmp_path / "secret"
    inside.mkdir()
    outside.write_text("hush")
    done = sh(f"cat {outside} /etc/passwd /proc/self/environ; echo x > {tmp_path}/new; echo kept > mine", inside)
    assert done.stdout == ""
    assert not (tmp_path / "new").exists()
    assert (inside / "mine").read_text() == "kept\n"


def test_other_processes_cannot_be_signalled(tmp_path: Path) -> None:
    if not any("signals" in layer for layer in active_layers()):
        pytest.skip("this kernel's Landlock does not scope signals")
    assert "not permitted" in sh(f"kill -0 {os.getpid()}", tmp_path).stderr


def test_a_crash_is_a_signal_not_an_error_of_ours(tmp_path: Path) -> None:
    done = sh("kill -SEGV $$", tmp_path)
    assert (done.returncode, done.reason) == (-11, "signal")


@pytest.mark.parametrize("command", ["kill -KILL $$", "kill -TERM $$", "exit 137"])
def test_a_kill_from_outside_is_tool_failed(tmp_path: Path, command: str) -> None:
    with pytest.raises(ToolFailed, match="from outside"):
        sh(command, tmp_path)


def test_folder_that_only_begins_like_a_system_folder_is_an_install_folder(tmp_path: Path) -> None:
    assert sandbox._install_folders(Path("/usrlocal/bin/tool"))[0] == "/usrlocal/bin"
    assert sandbox._install_folders(Path("/usr/bin/tool")) == []


def test_missing_program_is_tool_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        run_confined(["/nowhere/tool"], cwd=tmp_path, limits=Limits())


def test_a_file_that_is_no_program_is_tool_failed(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("not a program")
    with pytest.raises(ToolFailed, match="could not start"):
        run_confined([str(tmp_path / "tool")], cwd=tmp_path, limits=Limits())


def test_runs_in_parallel_do_not_mix(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: sh(f"echo {n}; sleep 0.05; echo {n}", tmp_path).stdout, range(24)))
    assert done == [f"{n}\n{n}\n" for n in range(24)]


@linux_only
def test_a_worker_that_dies_is_tool_failed_and_replaced(tmp_path: Path) -> None:
    sh("true", tmp_path)
    worker = sandbox._POOL.take()
    sandbox._POOL.give(worker)
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(ToolFailed):
        sh("true", tmp_path)
    assert sh("echo again", tmp_path).stdout == "again\n"


@linux_only
def test_closing_a_worker_kills_what_it_runs(tmp_path: Path) -> None:
    word = f"9{os.getpid()}.25"
    worker = sandbox._POOL.take()

    def close_soon() -> None:
        while not processes_with(word):
            time.sleep(0.01)
        worker._socket.shutdown(2)

    threading.Thread(target=close_soon).start()
    job = {
        "argv": [SH, "-c", f"sleep {word}"], "cwd": str(tmp_path), "env": {}, "wall_s": 60, "output_bytes": 100,
        "readable": ["/"], "rlimits": {},
    }  # fmt: skip
    with pytest.raises(OSError, match="sandbox"):
        worker.ask(job, 60)
    worker.close()
    assert processes_with(word) == []
