"""The slips that are mended by rule: each rule knows one, and proposes the smallest change that would do away with it.

Reads nothing and writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hdl_sim import slips_of_declaration as declaration
from hdl_sim import slips_of_form as form
from hdl_sim.finding import Finding, Proposal

SLIPS: tuple[Callable[[Finding], Iterator[Proposal]], ...] = (
    declaration.nets_to_registers,
    declaration.registers_to_nets,
    form.enums_to_parameters,
    form.bare_assignments,
    form.keywords_as_names,
    declaration.edges_of_nothing,
    declaration.missing_loop_variables,
    declaration.missing_siblings,
    declaration.misplaced_declarations,
    declaration.repeated_declarations,
    form.unbraced_replications,
    form.forbidden_calls,
    form.other_name,
    form.other_ports,
    form.missing_semicolons,
    form.unfinished_text,
)
"""The rules, in the order in which they are tried."""
