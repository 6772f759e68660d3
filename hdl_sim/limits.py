"""How much a confined program may use, so that no candidate can hold a machine.

Reads nothing and writes nothing; the sandbox enforces it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one confined run may use.

    Attributes:
        wall_s: seconds of wall time for the whole run, compilation included. Wider than ``cpu_s``, which is to decide:
            on a busy machine a run must not fail for having waited.
        cpu_s: seconds of CPU time of each process (RLIMIT_CPU counts by process).
        memory_mb: address space of each process, in MiB.
        file_mb: size of any one file written, in MiB.
        output_kb: stdout and stderr together, in KiB; a program that writes more is killed.
        open_files: file descriptors of each process.
    """

    wall_s: float = 300.0
    cpu_s: int = 30
    memory_mb: int = 1024
    file_mb: int = 16
    output_kb: int = 256
    open_files: int = 64
