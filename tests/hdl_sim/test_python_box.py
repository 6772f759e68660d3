"""A language model's Python: what it may do works, and none of what it may not, layer by layer.

Each file in ``hostile_python/`` is one program that prints ``H4RM D0NE`` when it has done what its first lines say it
tries. It is run with every layer, and again, as an ordinary user, where the kernel refuses us namespaces, filters or
Landlock. None may end in an error of ours: a run over many drafts ends with that.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.python_box import containment, require_containment, run_python
from hdl_sim.run_folders import folder_prefix, memory_folder
from hdl_sim.workers import _POOL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
FOLDER = Path(__file__).with_name("hostile_python")
PROJECT = Path(__file__).parents[2]
HARM = "H4RM D0NE"
HUSH = "s3cret-0f-the-h0st"
# Wide where a busy machine decides, narrow where the program does.
LIMITS = Limits(wall_s=60, cpu_s=2, memory_mb=512, file_mb=8, output_kb=64)
NARROW = {"cpu_timeout": replace(LIMITS, cpu_s=1), "wall_timeout": replace(LIMITS, wall_s=0.5)}


@dataclass(frozen=True)
class Hostile:
    name: str
    text: str

    def note(self, about: str) -> str:
        found = re.search(rf"^# {about}: (.*)$", self.text, re.M)
        return found[1] if found else ""

    def files(self, places: dict[str, str]) -> dict[str, str]:
        text = re.sub("@([A-Z]+)@", lambda match: places[match[1]], self.text)
        first, *others = re.split(r"^# --- (.*)\n", text, flags=re.M)
        return {"main.py": first, **dict(zip(others[::2], others[1::2], strict=True))}

    @property
    def limits(self) -> Limits:
        return NARROW.get(self.note("ends by"), LIMITS)


LIBC = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":
    LIBC.shmat.restype = ctypes.c_void_p
PROGRAMS = [Hostile(path.stem, path.read_text()) for path in sorted(FOLDER.glob("*.py"))]
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


class Host:
    """What there is to harm: a file, services, and a process, each of which would notice."""

    def __init__(self, folder: Path, stack: ExitStack, user: int | None = None) -> None:
        self.folder = folder
        self.canary = folder / "canary.txt"
        self.word = f"5{os.getpid()}.{time.monotonic_ns() % 10**6}"
        self.heard: list[bytes] = []
        self.victim = subprocess.Popen(["/bin/sleep", "600"], env={"HUSH": HUSH}, start_new_session=True, user=user)
        stack.callback(self._end_victim)
        self.tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp.bind(self.tcp.getsockname())
        self.unix, self.abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        self.unix.bind(f"{folder}/s")
        self.abstract.bind(f"\0{self.word}")
        self.datagram = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.datagram.bind(f"{folder}/d")
        for service in (self.unix, self.abstract):
            service.listen()
        self.shared = LIBC.shmget(0, 4096, 0o1666)
        stack.callback(LIBC.shmctl, self.shared, 0, None)
        place = LIBC.shmat(self.shared, None, 0)
        ctypes.memmove(place, HUSH.encode(), len(HUSH))
        LIBC.shmdt(ctypes.c_void_p(place))
        self.whole()
        if user is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, user)

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()

    def whole(self) -> None:
        self.canary.write_text(HUSH)
        self.canary.chmod(0o644)
        self.stamp = self.canary.stat()

    @property
    def places(self) -> dict[str, str]:
        return {
            "CANARY": str(self.canary), "SECRET": HUSH, "PROJECT": str(PROJECT), "WORD": self.word,
            "PORT": str(self.tcp.getsockname()[1]), "SOCKET": f"{self.folder}/s", "DATAGRAM": f"{self.folder}/d",
            "PID": str(self.victim.pid), "SHARED": str(self.shared), "PACKAGES": str(Path(pytest.__file__).parents[1]),
        }  # fmt: skip

    def check(self) -> None:
        """Nothing was harmed and nothing is left."""
        now = self.canary.stat()
        assert self.canary.read_text() == HUSH
        assert (now.st_mode, now.st_mtime_ns, now.st_nlink) == (self.stamp.st_mode, self.stamp.st_mtime_ns, 1)
        assert sorted(path.name for path in self.folder.iterdir()) == ["canary.txt", "d", "s"]
        assert self.victim.poll() is None
        for service in (self.tcp, self.udp, self.unix, self.abstract, self.datagram):
            service.setblocking(False)
            with pytest.raises(BlockingIOError):
                service.recv(100) if service.type == socket.SOCK_DGRAM else service.accept()
        assert self.left_running() == []
        assert left_behind() == []

    def left_running(self) -> list[str]:
        """Command lines of what still runs of a program: below us, or, as a daemon, anywhere."""
        below = {process.pid for process in psutil.Process().children(recursive=True)}
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            command = " ".join(process.info["cmdline"] or ())
            if self.word in command or (process.info["pid"] in below and "start_alone" in command):
                found.append(command)
        return found


def left_behind() -> list[str]:
    folders = [Path(memory_folder() or tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    ours = [str(entry) for folder in folders[:1] for entry in folder.glob(f"{folder_prefix()}*/*")]
    ours += [str(entry) for worker in _POOL._idle for entry in worker.folder.iterdir()]
    return ours + [str(entry) for folder in folders if folder.is_dir() for entry in folder.glob("h4rm-*")]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    # The path of a Unix socket is short.
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Host(Path(folder), stack)


@pytest.fixture(scope="module")
def users_host() -> Iterator[Host]:
    """What an ordinary user has; where these tests are run by one, that is the one."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Host(Path(folder), stack, USER)


def check_end(program: Hostile, done: dict[str, Any]) -> None:
    said = repr(done)
    assert HARM not in done["stdout"].splitlines(), said
    assert HUSH not in done["stdout"] + done["stderr"]
    if program.note("ends by"):
        assert done["reason"] in program.note("ends by").split(" or "), said
    assert done["seconds"] < 40


@each_program
def test_hostile_program_does_no_harm_and_leaves_nothing(
    program: Hostile, host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run_python(program.files(host.places), "main.py", "", program.limits)
    check_end(program, {name: getattr(done, name) for name in ("stdout", "stderr", "reason", "seconds", "returncode")})
    host.check()
    assert HARM not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "program", [p for p in PROGRAMS if p.note("shown without containment") == "yes"], ids=lambda program: program.name
)
def test_without_containment_it_does_what_it_tries(program: Hostile, tmp_path: Path) -> None:
    """Or the test above would show nothing."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        host = Host(Path(folder), stack)
        for name, text in program.files(host.places).items():
            (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-S", "-B", "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        for place in ("/tmp", "/var/tmp", "/dev/shm"):
            Path(place, f"h4rm-{host.word}").unlink(missing_ok=True)
    assert HARM in done.stdout.splitlines(), done


def test_each_program_says_what_it_tries() -> None:
    assert len(PROGRAMS) >= 40
    assert all(program.note("tries") and program.note("shown without containment") for program in PROGRAMS)
    assert sum(program.note("shown without containment") == "yes" for program in PROGRAMS) >= 25


AARCH64 = os.uname().machine == "aarch64"
NAMESPACES: list[tuple[int, int | None]] = [(97 if AARCH64 else 272, None)]  # unshare
# prctl and seccomp
FILTERS: list[tuple[int, int | None]] = [(167 if AARCH64 else 157, 22), (277 if AARCH64 else 317, None)]
LANDLOCK: list[tuple[int, int | None]] = [(444, None)]
USER = 54321 if os.geteuid() == 0 else None
REFUSED = {"namespaces": NAMESPACES, "filter": FILTERS, "Landlock": LANDLOCK}
WORDS = {"namespaces": "namespaces", "filter": "filtered", "Landlock": "Landlock"}
NEWEST = 100


def run_on(programs: dict[str, dict[str, str]], *without: str, **machine: Any) -> dict[str, Any]:
    """On a machine that refuses some layers; see `run_python_without` for what else it may be."""
    asked = {
        "refused": [call for layer in without for call in REFUSED[layer]], "programs": programs,
        "limits": dataclasses.asdict(LIMITS), "landlock": NEWEST, "filters": True, "user": None, "mount": "",
        "null_closed": False, **machine,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_python_without.py"))],
        input=json.dumps(asked), capture_output=True, text=True, timeout=300, cwd=PROJECT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert HARM not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert not any(WORDS[layer] in line for layer in without for line in answer["containment"]), answer["containment"]
    assert (answer["zombies"], answer["folders"]) == (0, [])
    return answer


def check_without(layer: str, programs: list[Hostile], host: Host, **machine: Any) -> None:
    # What only this layer stops harms nothing outside where the others are there: a shell, say, is as confined.
    tried = [p for p in programs if p.note("stopped by").split(" or ") != [layer]]
    answer = run_on({program.name: program.files(host.places) for program in tried}, layer, **machine)
    if "not_run" in answer["done"][tried[0].name]:
        pytest.skip(answer["done"][tried[0].name]["not_run"])
    for program in tried:
        check_end(program, answer["done"][program.name])
    host.check()


@pytest.mark.parametrize(("layer", "landlock"), [("namespaces", 3), ("filter", NEWEST), ("Landlock", NEWEST)])
def test_the_other_layers_suffice_where_one_is_refused(layer: str, landlock: int, users_host: Host) -> None:
    quick = [program for program in PROGRAMS if "timeout" not in program.note("ends by")]
    check_without(layer, quick, users_host, landlock=landlock, user=USER)


# Root's rights could undo what these need.
AS_ROOT = [
    "change_rights", "close_folder", "end_by_own_timer", "interrupt_parent", "kill_others", "leave_traps",
    "limit_others", "mount_proc", "raise_limits", "read_user_file", "shared_by_number", "signal_by_owner",
    "trace_others", "watch_files",
]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("layer", ["namespaces", "filter"])
def test_the_other_layers_suffice_for_root_too(layer: str, host: Host) -> None:
    check_without(layer, [program for program in PROGRAMS if program.name in AS_ROOT], host)


@pytest.mark.parametrize(
    ("without", "landlock", "open_to"),
    [
        (("namespaces", "filter"), NEWEST, "the network"),
        (("namespaces", "Landlock"), NEWEST, "the user's files"),
        (("namespaces",), 1, "the user's files"),
        (("namespaces",), 2, "the user's files"),
    ],
)
def test_it_is_not_run_where_nothing_contains_it(without: tuple[str, ...], landlock: int, open_to: str) -> None:
    answer = run_on({"any": {"main.py": "print('ran')"}}, *without, landlock=landlock)
    said = answer["done"]["any"]["not_run"]
    assert "not run here" in said
    assert f"nothing keeps it from {open_to}" in said
    assert "Linux 6.2" in said
    assert "\n" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who can filter calls without giving up privileges")
def test_namespaces_alone_give_no_privileges_and_nothing_to_write() -> None:
    folder = next(path for path in ("/usr/src", "/usr/games", "/usr/share") if Path(path).is_dir())
    text = (
        "import ctypes, os\n"
        "print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0), *(bool(os.statvfs(p).f_flag & 2) for p in ('/usr', '.')))\n"
        f"for path in ('/usr', {folder!r}):\n"
        "    try:\n        open(f'{path}/x', 'w')\n    except OSError as error:\n        print(error.strerror)\n"
    )
    done = run_on({"any": {"main.py": text}}, "filter", "Landlock", filters=False, mount=folder)["done"]["any"]
    assert done["stdout"].splitlines() == ["1 True True", *["Read-only file system"] * 2], done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who can have a /dev/null of its own")
def test_a_null_device_that_only_root_may_open_stops_nothing() -> None:
    answer = run_on({"any": {"main.py": "print(6 * 7)\n"}}, null_closed=True)
    assert answer["done"]["any"]["stdout"] == "42\n", answer
    assert answer["containment"][0].startswith("namespaces")


def test_a_model_reads_its_input_and_has_its_own_modules() -> None:
    files = {
        "main.py": "import sys\nfrom dataclasses import dataclass\nfrom model import twice\n"
        "@dataclass\nclass Seen:\n    x: int\n"
        "print([Seen(twice(int(line))) for line in sys.stdin], Seen.__annotations__, __name__, sys.argv)\n",
        "model.py": "def twice(x):\n    return 2 * x\n",
    }
    done = run_python(files, "main.py", "1\n20\n")
    assert done.stdout == "[Seen(x=2), Seen(x=40)] {'x': <class 'int'>} __main__ ['main.py']\n", done
    assert (done.stderr, done.returncode, done.reason) == ("", 0, "exited")


def test_text_goes_in_and_out_unchanged() -> None:
    done = run_python({"main.py": "print('é', input(), '\u03c0')"}, "main.py", "naïve")
    assert done.stdout == "é naïve π\n"


def test_the_same_program_does_the_same_every_time() -> None:
    text = "print({str(n) for n in range(50)}, hash('x'))"
    assert len({run_python({"main.py": text}, "main.py").stdout for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("x = 1\n1 / 0", 1, 'Traceback (most recent call last):\n  File "main.py", line 2, in <module>\n'),
        ("def f(:\n", 1, '  File "main.py", line 1\n'),
        ("raise SystemExit(3)", 3, ""),
        ("exit(4)", 4, ""),
        ("print(1)\nquit()\nprint(2)", 0, ""),
    ],
)
def test_an_error_is_told_as_python_would(text: str, code: int, said: str) -> None:
    done = run_python({"main.py": text}, "main.py")
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "start_alone" not in done.stderr


@pytest.mark.parametrize("name", ["../x.py", "a/b.py", ".stdin", "", "x\n.py", "-c"])
def test_a_name_that_is_no_plain_one_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="plain name"):
        run_python({"main.py": "", name: ""}, "main.py")
    with pytest.raises(InputError, match="plain name"):
        run_python({"main.py": ""}, name)


def test_a_run_costs_little_more_than_a_bare_start() -> None:
    def fastest(run: Any) -> float:
        seconds = []
        for _ in range(10):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    command = [sys.executable, "-I", "-S", "-c", "print(1)"]
    bare = fastest(lambda: subprocess.run(command, capture_output=True, check=True))
    assert fastest(lambda: run_python({"main.py": "print(1)"}, "main.py")) < 4 * bare + 0.1


def test_what_contains_it_is_told() -> None:
    require_containment()
    assert containment()[-1] == "limits"
    assert len(containment()) >= 2


HOSTILE_TEST = """
import os
import socket
import subprocess
import cocotb

def attempts():
    yield lambda: socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=5)
    yield lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    yield lambda: socket.socketpair()
    yield lambda: open("@CANARY@").read()
    yield lambda: open("@CANARY@", "a")
    yield lambda: os.chmod("@CANARY@", 0)
    yield lambda: os.fork()
    yield lambda: subprocess.run(["/bin/sh", "-c", ":"])
    yield lambda: os.kill(int("@PID@"), 0)
    yield lambda: os.kill(os.getppid(), 0)
    yield lambda: os.listdir("/proc")

@cocotb.test()
async def reaches_out(dut):
    os.symlink("@CANARY@", "cocotb_results.xml.link")
    done = []
    for number, attempt in enumerate(attempts()):
        try:
            attempt()
        except OSError:
            continue
        done.append(number)
    assert not done, done
"""


def test_a_cocotb_bench_is_contained_too(host: Host) -> None:
    text = re.sub("@([A-Z]+)@", lambda match: host.places[match[1]], HOSTILE_TEST)
    bench = Bench(kind="cocotb", sources={"test_top.py": text}, top="top", pass_rule=PassRule(kind="cocotb_results"))
    verdict = Icarus().run("module top(input a, output y);\n  assign y = a;\nendmodule\n", bench, Limits(wall_s=300))
    assert verdict.status == "pass", verdict.log_tail
    host.check()


def test_results_that_are_a_link_are_not_followed(host: Host) -> None:
    host.canary.write_text("<testsuites><testsuite><testcase/></testsuite></testsuites>")
    text = (
        "import os\nimport cocotb\n@cocotb.test()\nasync def t(dut):\n"
        f"    os.symlink({str(host.canary)!r}, 'cocotb_results.xml')\n    os._exit(0)\n"
    )
    bench = Bench(kind="cocotb", sources={"test_top.py": text}, top="top", pass_rule=PassRule(kind="cocotb_results"))
    verdict = Icarus().run("module top(input a, output y);\n  assign y = a;\nendmodule\n", bench, Limits(wall_s=300))
    host.whole()
    assert verdict.status == "no_result", verdict.log_tail


def test_runs_at_once_do_not_meet() -> None:
    said: dict[int, str] = {}

    def run(number: int) -> None:
        text = "import os, time\nopen(input(), 'w').close()\ntime.sleep(0.1)\nprint(sorted(os.listdir('.')))"
        said[number] = run_python({"main.py": text}, "main.py", f"n{number}").stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"['.stdin', 'main.py', 'n{number}']\n" for number in range(6)}
