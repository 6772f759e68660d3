"""The sandbox: limits hold, nothing survives, nothing outside the folder is reached."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from autovcoder.errors import ToolFailed, ToolMissing
from hdl_sim import sandbox, watch
from hdl_sim.limits import Limits
from hdl_sim.run_folders import memory_folder, sweep
from hdl_sim.sandbox import Finished, Sandbox, active_layers, open_sandbox
from hdl_sim.watch import holds_too_much
from hdl_sim.workers import _POOL, Worker

SH = "/bin/sh"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def has_landlock() -> bool:
    return any("Landlock" in layer for layer in active_layers())


QUICK = Limits(wall_s=20)


def sh(command: str, limits: Limits = QUICK, env: dict[str, str] | None = None) -> Finished:
    with open_sandbox(limits) as box:
        return sh_in(box, command, limits, env)


def sh_in(box: Sandbox, command: str, limits: Limits = QUICK, env: dict[str, str] | None = None) -> Finished:
    return box.run([SH, "-c", command], limits=limits, env=env)


def idle_worker() -> Worker:
    """The worker that the next `sh` will use."""
    with open_sandbox(QUICK) as box:
        return box._worker


def processes_with(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_output_and_exit_status_come_back() -> None:
    done = sh("echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr, done.reason) == (3, "out\n", "err\n", "exited")


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert sh(r"printf '\377ok'").stdout == "\ufffdok"


def test_environment_is_empty_but_for_what_tools_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    names = {line.split("=")[0] for line in sh("env", env={"EXTRA": "1"}).stdout.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LANG", "HOME", "TMPDIR", "TMP", "TEMP", "EXTRA"}


def test_stdin_is_empty() -> None:
    assert sh("cat; echo done").stdout == "done\n"


def test_wall_time_ends_a_sleeper() -> None:
    started = time.monotonic()
    done = sh("sleep 60", Limits(wall_s=0.3))
    assert done.reason == "wall_timeout"
    assert time.monotonic() - started < 20


def test_cpu_time_ends_a_busy_loop() -> None:
    assert sh("while :; do :; done", Limits(wall_s=300, cpu_s=1)).reason == "cpu_timeout"


def test_output_is_capped() -> None:
    done = sh("yes", Limits(output_kb=8))
    assert done.reason == "output_limit"
    assert len(done.stdout) <= 8 * 1024 + 1


def test_file_size_is_capped() -> None:
    limits = Limits(file_mb=1)
    with open_sandbox(limits) as box:
        assert sh_in(box, "exec yes > big", limits).reason == "file_limit"
        assert (box.folder / "big").stat().st_size <= 1 << 20


@linux_only
def test_memory_is_capped() -> None:
    limits = Limits(memory_mb=256)
    with open_sandbox(limits, readable=[Path(sys.prefix), Path(sys.base_prefix)]) as box:
        done = box.run([sys.executable, "-I", "-S", "-c", "bytearray(1 << 30)"], limits=limits)
    assert done.reason == "memory"


@linux_only
def test_nothing_is_left_running() -> None:
    word = f"7{os.getpid()}.25"
    for command in (
        f"sleep {word} & exit 0",
        f"setsid sleep {word} & exit 0",
        f"(setsid setsid sleep {word} &) ; exit 0",
    ):
        assert sh(command).returncode == 0
        assert processes_with(word) == []


@linux_only
def test_a_timeout_kills_the_whole_group() -> None:
    word = f"8{os.getpid()}.25"
    sh(f"sleep {word} & setsid sleep {word} & wait", Limits(wall_s=0.5))
    assert processes_with(word) == []


def test_files_outside_the_folder_are_out_of_reach(tmp_path: Path) -> None:
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    outside = tmp_path / "secret"
    outside.write_text("hush")
    with open_sandbox(QUICK) as box:
        done = sh_in(box, f"cat {outside} /etc/passwd /proc/self/environ; echo x > {tmp_path}/new; echo kept > mine")
        assert (box.folder / "mine").read_text() == "kept\n"
    assert done.stdout == ""
    assert not (tmp_path / "new").exists()


def test_one_sandbox_cannot_reach_into_another() -> None:
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    with open_sandbox(QUICK) as mine, open_sandbox(QUICK) as other:
        (other.folder / "secret").write_text("hush")
        done = sh_in(mine, f"cat {other.folder}/secret; echo x > {other.folder}/new")
        assert done.stdout == ""
        assert sorted(path.name for path in other.folder.iterdir()) == ["secret"]


def test_nothing_is_left_in_a_folder_that_is_lent_again() -> None:
    with open_sandbox(QUICK) as box:
        folder = box.folder
        assert folder.stat().st_mode & 0o077 == 0
        sh_in(box, "mkdir -p a/b; echo x > a/b/c; ln -s / root; echo y > .hidden")
    with open_sandbox(QUICK) as box:
        assert box.folder == folder
        assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_emptied_is_not_lent_again() -> None:
    with open_sandbox(QUICK) as box:
        folder = box.folder
        folder.rmdir()
    with open_sandbox(QUICK) as box:
        assert box.folder != folder
        assert sh_in(box, "echo x > y; cat y").stdout == "x\n"


def test_cpu_time_is_that_of_a_run_not_of_all_runs() -> None:
    limits = Limits(wall_s=300, cpu_s=1)
    busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
    with open_sandbox(limits) as box:
        assert sh_in(box, "while :; do :; done", limits).reason == "cpu_timeout"
        assert sh_in(box, busy, limits).reason == "exited"


def test_other_processes_cannot_be_signalled() -> None:
    if not any("signals" in layer for layer in active_layers()):
        pytest.skip("this kernel's Landlock does not scope signals")
    assert "not permitted" in sh(f"kill -0 {os.getpid()}").stderr


def test_a_crash_is_a_signal_not_an_error_of_ours() -> None:
    done = sh("kill -SEGV $$")
    assert (done.returncode, done.reason) == (-11, "signal")


@pytest.mark.parametrize("command", ["kill -KILL $$", "kill -TERM $$"])
def test_a_kill_from_outside_is_tool_failed(command: str) -> None:
    with pytest.raises(ToolFailed, match="from outside"):
        sh(command)


def test_what_may_run_any_code_may_have_killed_itself() -> None:
    with open_sandbox(QUICK, apart=True) as box:
        assert sh_in(box, "kill -KILL $$").reason == "signal"


@linux_only
def test_files_together_are_capped() -> None:
    limits = Limits(wall_s=60, file_mb=64)
    with open_sandbox(limits) as box:
        done = sh_in(box, "for n in 1 2 3 4 5 6; do head -c 60000000 /dev/zero > $n; done; sleep 50", limits)
    assert done.reason == "file_limit"


def test_a_folder_that_holds_or_hides_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_ENTRIES", 100)
    assert not holds_too_much(str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("/")
    (tmp_path / "a" / "large").write_bytes(b"")
    assert not holds_too_much(str(tmp_path))
    for number in range(100):
        (tmp_path / "a" / str(number)).symlink_to("large")
    assert holds_too_much(str(tmp_path))
    for entry in (tmp_path / "a").iterdir():
        entry.unlink()
    (tmp_path / "a").chmod(0o300)
    assert holds_too_much(str(tmp_path)) or os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as name:
        yield Path(name)


def test_a_folder_is_removed_however_deep_and_closed(place: Path) -> None:
    folder = place / "hdl_sim_999999999_x"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1600):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    folder.chmod(0)
    os.utime(folder, (1, 1))
    sweep(place)
    assert list(place.iterdir()) == []


def test_only_the_start_of_a_plain_file_is_read(tmp_path: Path) -> None:
    with open_sandbox(QUICK) as box:
        (box.folder / "plain").write_text("12345")
        (box.folder / "link").symlink_to(tmp_path)
        (tmp_path / "other").write_text("hush")
        (box.folder / "other").symlink_to(tmp_path / "other")
        (box.folder / "folder").mkdir()
        os.mkfifo(box.folder / "pipe")
        names = ("plain", "link", "other", "folder", "pipe", "missing")
        assert [box.read_start(name, 3) for name in names] == [b"123", *[b""] * 5]


@pytest.mark.parametrize("status", [126, 127, 128, 137, 143, 152, 153, 255])
def test_an_exit_status_is_never_taken_for_a_signal(status: int) -> None:
    done = sh(f"exit {status}")
    assert (done.returncode, done.reason) == (status, "exited")


def test_a_worker_that_died_while_idle_is_not_lent() -> None:
    worker = idle_worker()
    worker._process.kill()
    worker._process.wait()
    assert sh("echo again").stdout == "again\n"


def test_folder_that_only_begins_like_a_system_folder_is_an_install_folder() -> None:
    assert sandbox._install_folders(Path("/usrlocal/bin/tool"))[0] == "/usrlocal/bin"
    assert sandbox._install_folders(Path("/usr/bin/tool")) == []


def test_missing_program_is_tool_missing() -> None:
    with open_sandbox(QUICK) as box, pytest.raises(ToolMissing):
        box.run(["/nowhere/tool"], limits=QUICK)


def test_a_file_that_is_no_program_is_tool_failed() -> None:
    with open_sandbox(QUICK) as box:
        (box.folder / "tool").write_text("not a program")
        with pytest.raises(ToolFailed, match="could not start"):
            box.run([str(box.folder / "tool")], limits=QUICK)
        assert sh_in(box, "echo again").stdout == "again\n"


def test_runs_in_parallel_do_not_mix() -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: sh(f"echo {n}; sleep 0.05; echo {n}").stdout, range(24)))
    assert done == [f"{n}\n{n}\n" for n in range(24)]


def when_running(word: str, act: Callable[[], None]) -> threading.Thread:
    """Do something as soon as a process with this word runs."""

    def wait_and_act() -> None:
        while not processes_with(word):
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@linux_only
def test_a_worker_killed_in_the_middle_takes_its_program_along() -> None:
    word = f"6{os.getpid()}.25"
    with open_sandbox(QUICK) as box:
        thread = when_running(word, box._worker._process.kill)
        with pytest.raises(ToolFailed):
            sh_in(box, f"exec sleep {word}", Limits(wall_s=60))
    thread.join()
    started = time.monotonic()
    # Nobody waits for the orphan: it takes a moment to be gone.
    while processes_with(word) and time.monotonic() - started < 5:
        time.sleep(0.01)
    assert processes_with(word) == []


@linux_only
def test_closing_a_worker_kills_what_it_runs() -> None:
    word = f"9{os.getpid()}.25"
    with open_sandbox(QUICK) as box:
        thread = when_running(word, lambda: box._worker._socket.shutdown(2))
        with pytest.raises(ToolFailed, match="sandbox"):
            sh_in(box, f"setsid sleep {word}", Limits(wall_s=60))
    thread.join()
    assert processes_with(word) == []


def test_only_so_many_workers_wait() -> None:
    with ExitStack() as stack:
        for _ in range(2 * (os.cpu_count() or 1) + 2):
            stack.enter_context(open_sandbox(QUICK))
    assert len(_POOL._idle) <= 2 * (os.cpu_count() or 1)
