"""The house itself: set-up on a fresh machine, the wheel, the pinned versions, and who may import whom."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]
IMPORT_ALL = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
BUILT = shutil.ignore_patterns("__pycache__", "*.pyc")


# ---- set-up --------------------------------------------------------------------------------------


class Machine:
    """A pretended fresh machine: a checkout with the real setup.sh, and a PATH of chosen programs only.

    apt-get, sudo, id and uname are stand-ins that answer as told and log how they were called. So is .venv's Python: a
    real installation takes a minute, and has happened for real before any test runs.
    """

    def __init__(self, folder: Path) -> None:
        self.checkout, self.bin, self.log = folder / "checkout", folder / "bin", folder / "log"
        (self.checkout / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("pyproject.toml", "constraints.txt", "scripts/setup.sh"):
            shutil.copy(ROOT / name, self.checkout / name)
        for name in ("bash", "cat", "cksum", "dirname", "env"):
            program = shutil.which(name)
            assert program, name
            (self.bin / name).symlink_to(program)
        (self.bin / "python3").symlink_to(Path(sys.executable).resolve())
        self.program("uname", "echo Linux")
        self.program("id", "echo 1000")
        self.program("nvidia-smi", "exit 0")

    def program(self, name: str, does: str, folder: Path | None = None) -> None:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{self.bin}/bash\necho "{name} $*" >>{self.log}\n{does}\n')
        path.chmod(0o755)

    def with_tools(self) -> Machine:
        """Icarus, Yosys and a working .venv are there."""
        self.program("iverilog", "exit 0")
        self.program("yosys", "exit 0")
        self.program("python", "exit 0", folder=self.checkout / ".venv" / "bin")
        return self

    def setup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        return subprocess.run(
            [str(self.bin / "bash"), str(self.checkout / "scripts" / "setup.sh"), *arguments],
            env={"PATH": str(self.bin), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def calls(self, program: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(f"{program} ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_setup_without_root_or_sudo_says_what_to_install(machine: Machine) -> None:
    machine.program("apt-get", "exit 0")
    assert "Run as root: apt-get install iverilog yosys\n" in one_line(machine.setup())
    assert not machine.calls("apt-get")


def test_setup_does_not_wait_for_a_password_without_a_terminal(machine: Machine) -> None:
    machine.program("apt-get", "exit 0")
    machine.program("sudo", "exit 1")
    assert "Run as root: apt-get install iverilog yosys\n" in one_line(machine.setup())
    assert machine.calls("sudo") == ["sudo -n true"]


def test_setup_on_macos_names_brew(machine: Machine) -> None:
    machine.program("uname", "echo Darwin")
    assert "brew install icarus-verilog yosys" in one_line(machine.setup())


def test_setup_on_another_linux_names_the_programs(machine: Machine) -> None:
    assert "Install Icarus Verilog 11 or newer, Yosys" in one_line(machine.setup())


@pytest.mark.parametrize("root", [True, False], ids=["root", "sudo"])
def test_setup_installs_only_what_is_missing_after_an_update(machine: Machine, root: bool) -> None:
    machine.with_tools()
    yosys = machine.bin / "yosys"
    yosys.rename(machine.bin / "packaged")
    machine.program("apt-get", f'[ "$1" = update ] || {shutil.which("cp")} {machine.bin / "packaged"} {yosys}')
    machine.program("sudo", 'if [ "$1" = -n ]; then exit 0; else exec "$@"; fi')
    if root:
        machine.program("id", "echo 0")
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    update, install = machine.calls("apt-get")
    assert update.startswith("apt-get update")
    assert install.endswith("--no-install-recommends yosys")
    assert bool(machine.calls("sudo")) is not root


def test_only_the_tests_bring_a_browser_along(machine: Machine) -> None:
    machine.with_tools()
    machine.program("id", "echo 0")
    machine.program("apt-get", "exit 0")
    assert machine.setup().returncode == 0
    assert not machine.calls("apt-get")
    assert machine.setup("test").returncode == 0
    assert machine.calls("apt-get")[-1].endswith("--no-install-recommends chromium")
    machine.program("chromium", "exit 0")
    assert machine.setup("test").returncode == 0
    assert not machine.calls("apt-get")


@pytest.mark.parametrize("apt_get", ["exit 1", None], ids=["fails", "is not there"])
def test_setup_without_a_browser_warns_and_goes_on(machine: Machine, apt_get: str | None) -> None:
    machine.with_tools()
    machine.program("id", "echo 0")
    if apt_get:
        machine.program("apt-get", apt_get)
    done = machine.setup("test")
    assert done.returncode == 0
    assert "no Chromium here, so the test of the report's page will be skipped\n" in done.stderr
    assert any("pip install" in call for call in machine.calls("python"))


def test_make_lets_the_tests_alone_ask_for_a_browser() -> None:
    def recipe(target: str) -> str:
        command = ["make", "--dry-run", "--no-print-directory", target]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "scripts/setup.sh test\n" in recipe("test")
    assert "scripts/setup.sh\n" in recipe("demo")


def test_a_second_setup_installs_nothing_and_a_changed_pin_or_place_does(machine: Machine) -> None:
    def installs() -> int:
        done = machine.setup()
        assert done.returncode == 0, done.stderr
        return sum("-m pip install" in call for call in machine.calls("python"))

    machine.with_tools()
    assert installs() == 1
    assert installs() == 0
    with (machine.checkout / "constraints.txt").open("a") as file:
        file.write("another==1.0\n")
    assert installs() == 1
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved"))
    assert installs() == 1
    assert installs() == 0


def test_setup_that_failed_in_pip_is_tried_again(machine: Machine) -> None:
    machine.with_tools()
    fails = 'case "$*" in *install*) exit 1 ;; esac'
    machine.program("python", fails, folder=machine.checkout / ".venv" / "bin")
    assert "pip could not install" in machine.setup().stderr
    machine.with_tools()
    assert machine.setup().returncode == 0
    assert any("pip install" in call for call in machine.calls("python"))


def test_setup_hands_pip_the_pins_and_the_users_arguments(machine: Machine) -> None:
    machine.with_tools()
    assert machine.setup(PIP_ARGS="--extra-index-url https://example.org/cpu").returncode == 0
    (install,) = (call for call in machine.calls("python") if "pip install" in call)
    assert "-c constraints.txt --extra-index-url https://example.org/cpu -e .[dev]" in install


@pytest.mark.parametrize(
    ("programs", "variables", "said"),
    [
        ({}, {}, True),
        ({"nvidia-smi": "exit 0"}, {}, False),
        ({"python": "echo \"global.extra-index-url='x'\""}, {}, False),
        ({}, {"PIP_ARGS": "--extra-index-url https://example.org/cpu"}, False),
    ],
    ids=["default", "gpu", "index", "arguments"],
)
def test_setup_says_once_that_torch_brings_cuda(
    machine: Machine, programs: dict[str, str], variables: dict[str, str], said: bool
) -> None:
    machine.with_tools()
    (machine.bin / "nvidia-smi").unlink()
    for name, does in programs.items():
        machine.program(name, does, folder=machine.checkout / ".venv" / "bin" if name == "python" else None)
    assert ("for the CPU build" in machine.setup(**variables).stderr) is said
    assert "for the CPU build" not in machine.setup(**variables).stderr


def test_setup_refuses_an_old_python(machine: Machine) -> None:
    machine.with_tools()
    machine.program("old", "exit 1")
    assert "Python 3.11 or newer is needed, and old is not" in one_line(machine.setup(PYTHON="old"))


# ---- packages ------------------------------------------------------------------------------------


def needed_by(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The installed distributions that these requirements need, directly or not, by canonical name; not our own."""
    found: dict[str, metadata.Distribution] = {}
    todo, seen = [(line, frozenset[str]()) for line in requirements], set()
    while todo:
        line, extras = todo.pop()
        need = Requirement(line)
        if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            continue
        name, extras = canonicalize_name(need.name), frozenset(need.extras)
        if name == "autovcoder" or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = metadata.distribution(name)
        todo += [(line, extras) for line in found[name].requires or ()]
    return found


def test_every_package_that_gets_installed_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines if "==" in line}
    assert not [pin for pin, version in pins.items() if "+" in version], "a local version installs on one machine only"
    project = PROJECT["project"]
    # What needs a GPU is installed by those who have one.
    extras = [lines for name, lines in project["optional-dependencies"].items() if name not in ("qlora", "deepspeed")]
    declared = [*project["dependencies"], *chain.from_iterable(extras)]
    # A CUDA build of torch pins the packages left out here itself.
    needed = {
        name: dist.version.partition("+")[0]
        for name, dist in needed_by(declared).items()
        if not name.startswith(("nvidia-", "cuda-", "triton"))
    }
    assert {name: pins.get(name) for name in needed} == needed


def imported_by(file: Path) -> set[str]:
    """The top-level names that a module imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


def imported_at_once(file: Path, seen: frozenset[Path] = frozenset()) -> set[str]:
    """The top-level names that importing a module imports, through our own modules too."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            ours = ROOT / Path(*name.split(".")).with_suffix(".py")
            if ours.is_file() and ours not in seen:
                found |= imported_at_once(ours, seen | {ours})
            found.add(name.partition(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_that_the_code_imports_is_declared(package: str) -> None:
    """Each package may use its own extras; what a package brings along does not count."""
    project = PROJECT["project"]
    own = {
        "autovcoder": ("rag", "serve"),
        "finetune": ("train",),
        "data_pipeline": ("data", "ray"),
        "rag": ("rag",),
    }
    extras = own.get(package, ())
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    used = set[str]().union(*(imported_by(file) for file in (ROOT / package).rglob("*.py")))
    # pydantic's own documentation imports from its core.
    used -= {*sys.stdlib_module_names, *PACKAGES, "pydantic_core"}
    provider = metadata.packages_distributions()
    assert {name for name in used if not {canonicalize_name(d) for d in provider.get(name, ())} & declared} == set()


class Installed(NamedTuple):
    """The sources that a wheel was built from, and the environment that it was installed into."""

    source: Path
    venv: Path

    @property
    def site(self) -> Path:
        return next(self.venv.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an empty environment, with the run-time packages that it declares and no others.

    Those packages are linked from this environment, not downloaded again; a package that the code needs and the wheel
    does not declare is missing there, as it would be for a user.
    """
    folder = tmp_path_factory.mktemp("wheel")
    made = Installed(folder / "source", folder / "venv")
    made.source.mkdir()
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, made.source / name)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, made.source / package, ignore=BUILT)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(made.source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made.venv)], check=True)
    into = ["--python", str(made.venv / "bin" / "python"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *into], check=True, capture_output=True)
    (ours,) = metadata.distributions(name="autovcoder", path=[str(made.site)])
    for dist in needed_by(ours.requires or ()).values():
        for top in {file.parts[0] for file in dist.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (made.site / top).exists():
                (made.site / top).symlink_to(Path(str(dist.locate_file(top))))
    return made


def in_environment(installed: Installed, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment from outside the checkout."""
    programs = installed.venv / "bin"
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(cwd)}
    program = str(programs / command[0])
    return subprocess.run([program, *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def test_the_wheel_holds_every_file_of_the_packages(installed: Installed) -> None:
    paths = [path for name in PACKAGES for path in (installed.source / name).rglob("*") if path.is_file()]
    files = {path.relative_to(installed.source) for path in paths}
    assert len(files) > len(PACKAGES)
    assert {file for file in files if not (installed.site / file).exists()} == set()


def test_every_module_of_the_wheel_imports_with_the_declared_packages(installed: Installed, tmp_path: Path) -> None:
    """But for the steps of the corpus, which are datatrove's, and the server, which need the extras `data`, `serve`."""
    files = [
        path.relative_to(installed.source)
        for name in PACKAGES
        for path in (installed.source / name).rglob("*.py")
        if imported_at_once(path).isdisjoint({"datatrove", "starlette", "uvicorn"})
    ]
    names = sorted(".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files)
    assert len(names) > 100
    script = f"{IMPORT_ALL}\nimport autovcoder\nprint(autovcoder.__file__)"
    done = in_environment(installed, "python", "-c", script, *names, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.venv))


def test_a_command_without_its_extra_says_how_to_get_it(installed: Installed, tmp_path: Path) -> None:
    done = in_environment(installed, "autovcoder", "data", "extract", "--repos", "x", "--out", "y", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: datatrove is not installed; pip install 'autovcoder[data]'\n"
    done = in_environment(installed, "autovcoder", "serve", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: starlette is not installed; pip install 'autovcoder[serve]'\n"


@pytest.mark.parametrize("program", ["generate-verilog", "autovcoder"])
def test_help_works_from_the_wheel(installed: Installed, tmp_path: Path, program: str) -> None:
    done = in_environment(installed, program, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_wheel_writes_verilog_offline(installed: Installed, tmp_path: Path) -> None:
    spec = "an 8-bit up counter with synchronous active-high reset and enable"
    done = in_environment(installed, "generate-verilog", spec, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\bmodule\b.*\bendmodule\b", done.stdout, re.DOTALL)
    assert "compiles: yes" in done.stderr


# ---- imports -------------------------------------------------------------------------------------


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_imports_point_down_only() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def test_a_stage_that_imports_another_breaks_the_contract(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    (tmp_path / "eval" / "wrong.py").write_text("import rag\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "eval.wrong -> rag" in done.stdout


def test_every_module_of_the_shared_package_has_a_layer() -> None:
    layers = " ".join(PROJECT["tool"]["importlinter"]["contracts"][0]["layers"])
    modules = {path.stem if path.suffix else path.name for path in (ROOT / "autovcoder").iterdir()}
    modules -= {"__init__", "__pycache__", "assets", "py"}
    assert {name for name in modules if not re.search(rf"\bautovcoder\.{name}\b", layers)} == set()


@pytest.mark.parametrize("module", ["records", "errors"])
def test_records_and_errors_need_only_pydantic(module: str) -> None:
    used = imported_by(ROOT / "autovcoder" / f"{module}.py")
    assert used <= {*sys.stdlib_module_names, "pydantic"}


def test_the_command_line_starts_without_heavy_packages() -> None:
    """`--help` answers at once only while no module of the command line imports these when it is itself imported."""
    heavy = ["torch", "transformers", "datasets", "trl", "peft", "accelerate", "openai", "pyslang", "cocotb"]
    modules = [f"autovcoder.cli.{path.stem}" for path in (ROOT / "autovcoder" / "cli").glob("*.py")]
    script = f"{IMPORT_ALL}\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert set(heavy) & set(done.stdout.split()) == set()
