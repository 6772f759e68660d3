"""A file splits into its modules, each readable alone; what cannot be taken has a reason."""

from __future__ import annotations

import codecs
import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Provenance, RtlModule
from data_pipeline.modules import Unread, extract_modules
from data_pipeline.source_text import Macros, decode, macros_used, without_includes
from hdl_sim.slang import read_source

SOURCE = Provenance(repo="lab/chip", commit="c0ffee", path="rtl/a.v", license="MIT", first_line=1, last_line=1)
COUNTER = """\
module counter #(parameter WIDTH = 8) (
    input  wire clk,
    input  wire rst,
    output reg  [WIDTH-1:0] count
);
    always @(posedge clk)
        if (rst) count <= 0;
        else count <= count + 1'b1;
endmodule
"""


def split(text: str, *others: tuple[str, str]) -> list[RtlModule | Unread]:
    return list(extract_modules(text, Macros([("rtl/a.v", text), *others]), SOURCE))


def one(text: str, *others: tuple[str, str]) -> RtlModule:
    (found,) = split(text, *others)
    assert isinstance(found, RtlModule), found
    return found


def reasons(text: str, *others: tuple[str, str]) -> list[str]:
    return [found.reason for found in split(text, *others) if isinstance(found, Unread)]


def test_a_module_comes_with_its_ports_place_and_language() -> None:
    module = one("\n\n" + COUNTER)
    assert (module.name, module.language, module.instances) == ("counter", "verilog-2001", ())
    assert [(p.name, p.direction, p.width) for p in module.ports] == [
        ("clk", "input", 1),
        ("rst", "input", 1),
        ("count", "output", 8),
    ]
    assert (module.provenance.first_line, module.provenance.last_line) == (3, 11)
    assert module.code == COUNTER


def test_every_module_of_a_file_is_found_and_instances_are_named() -> None:
    top = "module top(input clk, output [3:0] q);\n counter #(4) c(.clk(clk), .rst(1'b0), .count(q));\nendmodule\n"
    found = split(COUNTER + "\n" + top)
    assert [m.name for m in found] == ["counter", "top"]
    assert isinstance(found[1], RtlModule)
    assert found[1].instances == ("counter",)


def test_a_doc_comment_stays_and_a_licence_does_not() -> None:
    licence = "// Copyright 2024 A Lab\n// All rights reserved.\n\n"
    doc = "// Counts up.\n// Wraps around at the top.\n"
    module = one(licence + doc + "`timescale 1ns/1ps\n" + COUNTER)
    assert module.code == doc + COUNTER
    assert one(licence + COUNTER).code == COUNTER
    block = "/*\n * Counts up.\n */\n"
    assert one(block + COUNTER).code == block + COUNTER


def test_a_comment_far_above_or_behind_code_is_not_the_modules() -> None:
    assert one("// about the file\n\n\n\n" + COUNTER).code == COUNTER
    text = "module other; endmodule // the end of the other\n" + COUNTER
    assert [m.code for m in split(text) if isinstance(m, RtlModule) and m.name == "counter"] == [COUNTER]


def test_macros_come_along_wherever_the_repository_defines_them() -> None:
    header = "`ifndef GUARD\n`define GUARD\n`define WIDTH (`BYTES * 8)\n`define BYTES 2\n`define UNUSED 1\n`endif\n"
    text = '`include "widths.vh"\nmodule m(output [`WIDTH-1:0] y);\n assign y = 0;\nendmodule\n'
    module = one(text, ("include/widths.vh", header))
    assert module.ports[0].width == 16
    assert "`define WIDTH (`BYTES * 8)\n" in module.code
    assert "UNUSED" not in module.code
    assert "include" not in module.code
    assert read_source(module.code).errors == ()


def test_a_definition_in_an_included_file_wins() -> None:
    text = '`include "b.vh"\nmodule m(output [`W-1:0] y);\n assign y = 0;\nendmodule\n'
    module = one(text, ("a.vh", "`define W 3\n"), ("b.vh", "`define W 24 // bits\n"))
    assert module.ports[0].width == 24


def test_a_macro_that_nobody_defines_is_a_reason() -> None:
    assert reasons("module m(output [`W-1:0] y); endmodule") == [
        "does not parse: unknown macro or compiler directive '`W'"
    ]


def test_include_reaches_no_file(tmp_path) -> None:
    secret = tmp_path / "secret.vh"
    secret.write_text("`define SECRET 1\nmodule stolen; endmodule\n")
    text = f'`include "{secret}"\n{COUNTER}'
    assert one(text).code == COUNTER


def test_conditional_compilation_is_followed_and_the_other_branch_is_named() -> None:
    text = f"`ifdef FPGA\n{COUNTER.replace('counter', 'fast')}`else\n{COUNTER}`endif\n"
    found = split(text)
    assert [m.name for m in found] == ["counter", "fast"]
    assert [m.reason for m in found if isinstance(m, Unread)] == ["in a branch of conditional compilation not taken"]


def test_systemverilog_with_packages_interfaces_generate_and_attributes() -> None:
    text = """\
package p; typedef logic [7:0] byte_t; endpackage
interface bus(input logic clk); logic [7:0] data; modport sink(input data, input clk); endinterface
(* keep_hierarchy = "yes" *)
module m import p::*; #(parameter int N = 4) (bus.sink b, output byte_t y [N]);
  for (genvar i = 0; i < N; i++) begin : g_lane
    always_ff @(posedge b.clk) y[i] <= b.data;
  end
endmodule : m
"""
    module = one(text)
    assert module.language == "systemverilog"
    assert [p.name for p in module.ports] == ["b", "y"]
    assert module.ports[0].direction == "interface"
    assert module.code.startswith("(* keep_hierarchy")
    assert module.code.endswith("endmodule : m\n")


def test_ports_are_known_where_a_parameter_has_no_default() -> None:
    module = one("module m #(parameter W) (input clk, input [W-1:0] d, output reg [3:0] q); endmodule")
    assert [(p.name, p.direction, p.width) for p in module.ports] == [
        ("clk", "input", 1),
        ("d", "input", None),
        ("q", "output", 4),
    ]
    old = one("module m(d, q); parameter W; input [1:0] d; output q; reg q; endmodule")
    assert [(p.name, p.direction, p.width) for p in old.ports] == [("d", "input", 2), ("q", "output", 1)]


def test_a_broken_module_does_not_take_the_others_with_it() -> None:
    broken = "module broken(input a, output y);\n assign y = = a;\nendmodule\n"
    found = split(COUNTER + broken + COUNTER.replace("counter", "second"))
    assert [(m.name, isinstance(m, RtlModule)) for m in found] == [
        ("counter", True),
        ("broken", False),
        ("second", True),
    ]
    assert isinstance(found[1], Unread)
    assert found[1].line == 10
    assert found[1].reason == "does not parse: expected expression"


def test_a_file_cut_off_keeps_what_is_whole() -> None:
    found = split(COUNTER + "module cut(input a,\n output y")
    assert [m.name for m in found] == ["counter", "cut"]
    assert isinstance(found[1], Unread)


def test_a_file_without_a_module_says_so() -> None:
    assert reasons("package p; endpackage\n") == ["no module"]


def test_a_module_made_by_a_macro_is_not_taken() -> None:
    text = "`define EMPTY(n) module n; endmodule\n`EMPTY(a)\n" + COUNTER
    assert sorted(m.reason if isinstance(m, Unread) else m.name for m in split(text)) == ["counter", "made by a macro"]


def test_text_that_would_fill_the_memory_is_refused() -> None:
    bomb = "`define A0 1+1\n" + "".join(f"`define A{i + 1} `A{i}+`A{i}\n" for i in range(40))
    text = bomb + "module m; wire [3:0] x = `A40; endmodule\n" + COUNTER
    found = split(text)
    assert [isinstance(m, RtlModule) for m in found] == [False, True]


@pytest.mark.parametrize(
    "data",
    [
        "// Zähler für Öl\n".encode("latin-1"),
        "// Zähler für Öl\n".encode("cp1252"),
        "// カウンタ回路です。クロックの立ち上がりで数えます。\n".encode("shift_jis"),
        "// 计数器模块在时钟上升沿加一复位时清零\n".encode("gb18030"),
        codecs.BOM_UTF8 + "// ü\n".encode(),
        "\ufeff// ü\n".encode("utf-16-le"),
    ],
)
def test_other_encodings_survive(data: bytes) -> None:
    wide = data.startswith(codecs.BOM_UTF16_LE)
    text = decode(data + COUNTER.replace("\n", "\r\n").encode("utf-16-le" if wide else "ascii"))
    assert COUNTER in text
    assert isinstance(one(text), RtlModule)


def test_an_encoding_is_read_as_what_it_is() -> None:
    assert decode("// Zähler für Öl\n".encode("latin-1")) == "// Zähler für Öl\n"
    assert decode(codecs.BOM_UTF8 + b"module m;") == "module m;"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="not a text file"):
        decode(b"\x7fELF\x00\x01\x02")


def test_macros_in_comments_and_strings_are_not_used() -> None:
    assert macros_used('// `A\n/* `B */ $display("`C"); `D `timescale 1ns/1ps') == {"D"}


@given(st.text(alphabet='`include "a.vh<>\n/*module;é', max_size=80))
def test_blanking_includes_moves_nothing(text: str) -> None:
    assert len(without_includes(text).encode()) == len(text.encode())
    assert without_includes(text).count("\n") == text.count("\n")


WORDS = (
    "`define A `B\n", "`define B(x) x x\n", "`define C \\\n", "`define/**/D `A\n", "`define E /* \n */ begin\n", "`A ",
    "`B(`B(", "`C ", "`E ", "`ifdef A\n", "`else\n", "`endif\n", "module m(", "input a);", "endmodule\n", "begin ",
    "end ", "/* ", "*/ ", "// `A\n", '"', "(* keep *) ", "\\esc ", '`include "x.vh"\n', "generate ", "assign y = ",
    ") ", ";",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_no_text_breaks_extraction_and_what_is_taken_reads_alone(words: list[str]) -> None:
    for found in split("".join(words) + "\n" + COUNTER):
        assert isinstance(found, RtlModule | Unread)
        if isinstance(found, RtlModule):
            assert not read_source(found.code, elaborate=False).errors


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("`define W 8 /* width\n of the bus */\n", 8),
        ("`define W 8 // bits\n", 8),
        ("`define W \\\n  8 \\\n\n", 8),
        ("`define W 16\n`undef W\n`define W 8\n", 8),
        ("`define V 4\n`define W (`V + `V)\n", 8),
    ],
)
def test_definitions_come_along_whole(text: str, width: int) -> None:
    module = one(text + "module m(output [`W-1:0] y);\n assign y = 0;\nendmodule\n`define W 99\n")
    assert module.ports[0].width == width
    assert read_source(module.code).errors == ()


def test_what_conditional_compilation_asks_for_comes_along() -> None:
    text = "`define FPGA\nmodule m(input a,\n`ifdef FPGA\n input b,\n`endif\n output y);\n assign y = a;\nendmodule\n"
    assert [p.name for p in one(text).ports] == ["a", "b", "y"]


def test_the_same_module_twice_in_a_file_is_taken_once() -> None:
    assert [type(found) for found in split(COUNTER + COUNTER)] == [RtlModule, Unread]
    assert reasons(COUNTER + COUNTER) == ["the same again in its file"]


BOMBS = {
    "comment in the directive": ("`define A0 1\n", "`define/**/A{i} `A{j} `A{j}\n", "`A30"),
    "another space": ("`define A0 1\n", "`define\fA{i} `A{j} `A{j}\n", "`A30"),
    "name on the next line": ("`define A0 1\n", "`define \\\nA{i} `A{j} `A{j}\n", "`A30"),
    "escaped name": ("`define A0 1\n", "`define \\A{i} `A{j} `A{j}\n", "`\\A30 "),
    "escaped use": ("`define A0 1\n", "`define A{i} `\\A{j} `\\A{j} \n", "`\\A30 "),
    "dollars": ("`define A$0 1\n", "`define A${i} `A${j} `A${j}\n", "`A$30"),
    "block comment": ("`define A0 1\n", "`define A{i} /*\n*/ `A{j} `A{j}\n", "`A30"),
    "line comment": ("`define A0 1\n", "`define A{i} // \\\n `A{j} `A{j}\n", "`A30"),
    "default": ("`define A0(x=1) x\n", "`define A{i}(x=`A{j}()+`A{j}()) x\n", "`A30()"),
    "default twice": ("`define A0(x=1) x\n", "`define A{i}(x=`A{j}()) x+x\n", "`A30()"),
    "behind a comment": ("`define A0 1\n", "// `define X \\\n`define A{i} `A{j} `A{j}\n", "`A30"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_form_of_a_macro_fills_the_memory(name: str) -> None:
    first, form, use = BOMBS[name]
    text = first + "".join(form.format(i=i + 1, j=i) for i in range(30)) + f"module m; wire x = {use}; endmodule\n"
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert [type(found) for found in split(text)] == [Unread]
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_later_definition_does_not_end_the_run() -> None:
    large = "`define A0 1\n" + "".join(f"`define A{i + 1} `A{i}+`A{i}\n" for i in range(13))
    text = (
        "`define X 1\nmodule a; wire x = `X; endmodule\n`define X `A13\n" + large + "module m; wire x = `X; endmodule"
    )
    assert [type(found) for found in split(text)] == [RtlModule, Unread]


@pytest.mark.parametrize(
    "text",
    [
        "`include <" * 100_000 + "\n" + COUNTER,
        "/*" * 300_000 + "\n" + COUNTER,
        "`define A " + "/* " * 200_000 + "\n" + COUNTER,
        "".join(f"module m{i}; endmodule\n" for i in range(3000)),
        "`define A 1\n" * 3000 + "".join(f"module m{i}; wire x = `A; endmodule\n" for i in range(1000)),
    ],
    ids=["includes", "comments", "comments in a macro", "many modules", "many macros"],
)
def test_hostile_files_take_seconds_at_most(text: str) -> None:
    started = time.process_time()
    for _ in split(text):
        pass
    assert time.process_time() - started < 6


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(st.from_regex(r"[a-z]{2,8}_[0-9]", fullmatch=True), min_size=1, max_size=4, unique=True),
    gap=st.sampled_from(["", "\n", "\n\n// about it\n", "/* é */\n", "`timescale 1ns/1ps\n"]),
)
def test_what_is_taken_is_what_stands_there(names: list[str], gap: str) -> None:
    text = "".join(gap + COUNTER.replace("counter", name) for name in names)
    found = split(text)
    assert [m.name for m in found] == names
    for module in found:
        assert isinstance(module, RtlModule)
        lines = text.split("\n")[module.provenance.first_line - 1 : module.provenance.last_line]
        assert module.code.endswith("\n".join(lines) + "\n")
