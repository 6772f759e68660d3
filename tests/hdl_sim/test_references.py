"""References out of a module and driven inputs: what is refused, and what ordinary code may write."""

from __future__ import annotations

import pytest

from hdl_sim.drivers import driven_inputs
from hdl_sim.references import outside_references
from hdl_sim.slang import read_source

ORDINARY = """
package p; typedef struct packed {logic c;} st_t; localparam st_t K = 0; endpackage
interface s_if; logic q; modport mp(input q); endinterface
module sub(input a, output b); assign b = a; endmodule
module t import p::*; (s_if.mp ifc, input st_t st, output y, output [3:0] z, input [3:0] x);
  if (1) begin: g wire q; end
  assign y = g.q;
  st_t s2, arr [3:0];
  assign s2.c = p::K.c ^ ifc.q ^ st.c ^ K.c;
  genvar i;
  for (i = 0; i < 2; i = i + 1) begin: lp wire w; sub u(.a(x[i]), .b(w)); end
  assign z[0] = lp[0].w ^ lp[1].u.b;
  s_if ins();
  assign ins.q = z[1];
  function automatic ff(input st_t k); ff = k.c; endfunction
  task tt; begin: lab integer q; q = 1; disable lab; end endtask
  assign z[2] = ff(st);
  always @* begin: nm st_t v; v.c = 1; if (x[0]) disable nm; tt; tt(); end
  case (1) 1: begin: cc wire k; end endcase
  assign z[3] = cc.k;
  initial begin foreach (arr[j]) arr[j].c = 0; for (int j = 0; j < 3; j++) arr[j].c = 1; end
endmodule
"""


def test_ordinary_names_are_no_outside_references() -> None:
    assert not read_source(ORDINARY).errors  # else this test would show nothing
    assert outside_references(ORDINARY) == ()
    assert driven_inputs(ORDINARY) == ()


@pytest.mark.parametrize(
    "body",
    [
        "if (0) assign y = tb.good1.y;",
        "assign y = \\tb .x;",
        "initial chk;",
        "initial chk();",
        "assign y = f(1);",
        "initial disable blk;",
        "defparam tb.P = 2;",
        "initial -> tb.e;",
        "always @(tb.e) y = 1;",
        "sub s(.a(tb.x));",
        "initial begin: b reg tb; end assign y = tb.x;",
        "assign y = fake.x;",
        "assign y = pack.x;",
    ],
)
def test_names_that_the_module_does_not_declare_are_refused(body: str) -> None:
    others = "module fake; reg tb; endmodule : fake\npackage other; reg pack, tb; endpackage\n"
    found = outside_references(f"{others}module m(output reg y);\n  {body}\nendmodule\n")
    assert [d.line for d in found] == [4]


def test_driven_input_is_found_in_a_module_that_is_used_elsewhere() -> None:
    code = "module m #(parameter N = 1) (input a, output y); if (N) assign a = 0; assign y = a; endmodule\n"
    code += "module fake; wire y; m #(0) u(1, y); endmodule\n"
    assert driven_inputs(code) == ()
    assert [d.line for d in driven_inputs(code, {"m"})] == [1]
