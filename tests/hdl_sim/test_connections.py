"""What a testbench instantiates from outside, and how it connects it."""

from __future__ import annotations

import pytest

from hdl_sim.connections import Connection, connections


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["module tb; top d(.a(x), .b(), .c); endmodule"], [Connection("top", ("a", "b", "c"), 0)]),
        (["module tb; top #(.W(4)) d(x, y); endmodule"], [Connection("top", (), 2)]),
        (["module tb; top d(.*, .a(x)); endmodule"], [Connection("top", ("a",), 0)]),
        (["module tb; top d(); endmodule"], [Connection("top", (), 0)]),
        (["module tb; m d(); endmodule module m; endmodule"], []),
        (["module tb; m d(); endmodule", "module m; endmodule"], []),
        (["module tb; generate if (0) begin top d(x); end endgenerate endmodule"], [Connection("top", (), 1)]),
        (["module tb; top a(x), b(.p(x)); endmodule"], [Connection("top", (), 1), Connection("top", ("p",), 0)]),
        (["module tb; wire w; endmodule"], []),
        (["(" * 5000], []),
    ],
)
def test_instances_of_what_is_not_defined_are_found(texts: list[str], found: list[Connection]) -> None:
    assert list(connections(texts)) == found
