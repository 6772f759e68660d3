"""What confinement costs: the same compiled simulation run in the sandbox and by plain ``posix_spawn``, in turn.

Reads nothing; prints milliseconds a run and their difference. A scored answer is two such runs, compiler and simulator.

    python benchmarks/sandbox_cost.py [--runs 400]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from hdl_sim.limits import Limits
from hdl_sim.sandbox import open_sandbox
from hdl_sim.toolchain import PROGRAM, find_toolchain

DESIGN = 'module tb; initial begin $display("done"); $finish; end endmodule\n'
LIMITS = Limits()


def plain_run(argv: list[str]) -> float:
    """Seconds for a process with both of its outputs read, and nothing else."""
    started = time.perf_counter()
    read, write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)]
    child = os.posix_spawn(argv[0], argv, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
    os.close(write)
    while os.read(read, 65536):
        pass
    os.close(read)
    os.waitpid(child, 0)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    tools = find_toolchain()
    confined, plain = [], []
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory) as name, open_sandbox(LIMITS, programs=tools.programs) as sandbox:
        compiled = tools.compile(sandbox, DESIGN, ("tb",), LIMITS)
        if compiled.returncode != 0:
            raise SystemExit(compiled.stderr)
        program = Path(name) / PROGRAM
        program.write_bytes((sandbox.folder / PROGRAM).read_bytes())
        for _ in range(runs):
            started = time.perf_counter()
            tools.simulate(sandbox, LIMITS)
            confined.append(time.perf_counter() - started)
            plain.append(plain_run([str(tools.vvp), "-N", str(program)]))
    for word, seconds in (("confined", confined), ("plain", plain)):
        median, mean = statistics.median(seconds) * 1e3, statistics.mean(seconds) * 1e3
        print(f"{word:10} median {median:6.2f} ms, mean {mean:6.2f} ms")
    difference = statistics.median(confined) - statistics.median(plain)
    print(f"difference {difference * 1e3:6.2f} ms a run, {2 * difference * 1e3:6.2f} ms a scored answer")


if __name__ == "__main__":
    main()
