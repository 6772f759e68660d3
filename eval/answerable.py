"""Tells problems that nobody can solve as they are put: the bench wants another module than the text asks for.

Reads problems; writes nothing and simulates nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from autovcoder.errors import InputError
from autovcoder.records import Problem
from hdl_sim.connections import Connection, connections
from hdl_sim.statement import Stated, stated_interface


def contradiction(problem: Problem) -> str | None:
    """Why no answer that does as it is asked can be compiled with the problem's bench; None where nothing says so.

    A header is taken at its word. A list of ports in prose may have been read in part only, so it speaks against the
    bench only when both have a port that the other lacks.
    """
    if problem.bench.kind != "verilog":
        return None
    try:
        stated = stated_interface(problem.spec, problem.interface)
    except InputError:
        return None
    wanted = connections(problem.bench.sources.values())
    if stated.name is None or not wanted:
        return None
    mine = [connection for connection in wanted if connection.module == stated.name]
    if not mine:
        names = ", ".join(dict.fromkeys(connection.module for connection in wanted))
        return f"the problem asks for the module {stated.name}, the testbench instantiates {names}"
    return _ports_differ(stated, mine)


def _ports_differ(stated: Stated, instances: Sequence[Connection]) -> str | None:
    if not stated.ports:
        return None
    names = [port.name for port in stated.ports]
    for instance in instances:
        unknown = [name for name in instance.ports if name not in names]
        unused = [name for name in names if name not in instance.ports]
        if unknown and (stated.header is not None or unused):
            return f"the testbench connects {', '.join(unknown)}, which the problem's interface lacks"
        if stated.header is not None and instance.ordered > len(names):
            return f"the testbench connects {instance.ordered} ports by place, the problem's interface has {len(names)}"
    return None
