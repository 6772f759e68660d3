"""A module gets another name where it is declared, and nothing else in the text changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdl_sim.rename import rename_module
from hdl_sim.slang import read_source


@pytest.mark.parametrize(
    ("code", "renamed"),
    [
        ("module a(input x); endmodule", "module b(input x); endmodule"),
        ("module\n  a #(parameter a = 1) (); endmodule : a", "module\n  b #(parameter a = 1) (); endmodule : b"),
        ("macromodule a; endmodule", "macromodule b; endmodule"),
        ("module automatic a; endmodule", "module automatic b; endmodule"),
        ("// module a\nmodule c; wire a; endmodule", "// module a\nmodule c; wire a; endmodule"),
        ('module a; initial $display("module a"); endmodule', 'module b; initial $display("module a"); endmodule'),
        ("module aa; endmodule", "module aa; endmodule"),
        ("module c; a a(.a(a)); endmodule", "module c; a a(.a(a)); endmodule"),
    ],
)
def test_only_the_declaration_and_its_end_are_renamed(code: str, renamed: str) -> None:
    assert rename_module(code, "a", "b") == renamed


@given(st.text(alphabet='module a;:()end\n"/*\\`', max_size=80))
def test_without_such_a_module_a_text_stays_and_renaming_back_restores_it(text: str) -> None:
    assert rename_module(text, "absent", "b") == text
    assert rename_module(rename_module(text, "a", "zzz"), "zzz", "a") == text


def test_the_front_end_sees_the_new_name() -> None:
    code = rename_module("module old(input a, output y);\n  assign y = a;\nendmodule\n", "old", "fresh")
    assert [module.name for module in read_source(code).modules] == ["fresh"]
