"""The normal form: the same for the same RTL however it is laid out, and without names however it is named."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hdl_sim.normal_form import (
    KEYWORDS,
    comments_of,
    exact_key,
    hide_names,
    loosen,
    modules_of,
    normal_tokens,
    number_names,
)

RTL = """module fifo #(parameter DEPTH = 16) (
  input clk, input rst_n, input [7:0] \\data+in , output logic [7:0] q, output full
);
  localparam logic [3:0] LAST = 4'hF;
  reg [7:0] store [0:DEPTH-1];
  reg [3:0] head, tail;
  assign full = (head + 1'b1) == tail && ~^q != `LIMIT;
  always @(posedge clk or negedge rst_n) begin : writing
    if (!rst_n) head <= '0;
    else if (!full) begin
      store[head] <= \\data+in ;
      head <= head === LAST ? 4'b0000 : head + 4'd1;
    end
    $display("head // %d /* */", head);
  end
  always_comb q = store[tail] >>> 2;
  leaf #(.W(8)) u_leaf (.clk, .d(q), .en(1.5e-3));
endmodule
"""
SMALL = "module m(input a, output y); assign y = ~a; endmodule\n"
TOKENS = normal_tokens(RTL)
BETWEEN = st.sampled_from(
    [" ", "\n", "\t", "\r\n", "/**/", " /* a // b\n ; */ ", '// "it\'s" begin\n', " (* keep, depth = 3 *) "]
)
PIECES = [
    "module", "endmodule", "x", "posedge", "3", "8", "'hfF_0", "'b", "'0", "'", "é", "`", "`x", "`define", "`resetall",
    "\\", "\\esc+1 ", "\\plain ", '"', '"s"', '\\"', "/", "//", "/*", "*/", "*", "(", ")", ";", ":", "#", "<", "=", "&",
    "$", "$x", " ", "\n", "\t", "\x00", "_", "e5", ".",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=30).map("".join)


def renamed_tokens(code: str) -> tuple[str, ...]:
    """The normal form with every name replaced by a number."""
    return number_names(normal_tokens(code))


def name_positions(tokens: tuple[str, ...]) -> list[str]:
    """The names in a normal form of our own RTL, which has but one escaped name and one macro."""
    return sorted({t.lstrip("`") for t in tokens if re.match(r"[`\\]?[A-Za-z_]", t) and t not in KEYWORDS})


# ---- layout ---------------------------------------------------------------------------------------


@given(data=st.data())
def test_comments_space_and_attributes_change_nothing(data: st.DataObject) -> None:
    between = data.draw(st.lists(BETWEEN, min_size=len(TOKENS), max_size=len(TOKENS)))
    # An escaped name ends at white space alone.
    pieces = [f"{token} {gap}" if token[0] == "\\" else token + gap for token, gap in zip(TOKENS, between, strict=True)]
    assert normal_tokens("".join(pieces)) == TOKENS


@given(text=TEXTS)
@example("4 /**/ 'hFF")
@example('"\n"')
@example("`timescale 1ns/1ps")
def test_the_normal_form_is_its_own(text: str) -> None:
    once = normal_tokens(text)
    assert normal_tokens("\n".join(once)) == once
    assert renamed_tokens("\n".join(renamed_tokens(text))) == renamed_tokens(text)


@given(text=TEXTS | st.text())
def test_any_text_has_every_form(text: str) -> None:
    tokens = normal_tokens(text)
    assert all(tokens)
    assert len(number_names(tokens)) == len(hide_names(tokens)) == len(tokens)
    assert len(loosen(tokens)) <= 5 * len(tokens)
    assert len(exact_key(text)) == 64
    for module in modules_of(text):
        assert module.tokens[0] == "module"
        assert module.tokens[-1] == "endmodule"
        assert len(module.body) <= len(module.tokens)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("8 'hF_f", ("8'hff",)),
        ("8'HFF", ("8'hff",)),
        ("1_000", ("1000",)),
        ("'SD 12", ("'sd12",)),
        ("4'b10?X", ("4'b10?x",)),
        ("'0", ("'0",)),
        ("8'(x)", ("8", "'", "(", "x", ")")),
        ("'{a}", ("'", "{", "a", "}")),
        ("1.5E-3 10ns", ("1.5e-3", "10ns")),
        ("a<=b<<<2", ("a", "<=", "b", "<<<", "2")),
        ("x[i+:4]", ("x", "[", "i", "+:", "4", "]")),
        ("@(*) @(* ) @*", ("@", "(", "*", ")", "@", "(", "*", ")", "@", "*")),
        ("(* full_case, x = \"*)\" *) case", ("case",)),
        ("\\plain  \\module  \\a+b ", ("plain", "\\module", "\\a+b")),
        ("`timescale 1ns / 1ps\n`default_nettype none\nwire", ("wire",)),
        ("`resetall `celldefine `endcelldefine wire", ("wire",)),
        ("`define A(x) \\\n x // y", ("`define", "A", "(", "x", ")", "x")),
        ("`resetall_x", ("`resetall_x",)),
        ('"a // b" /* "c" */ "d"', ('"a // b"', '"d"')),
        ("$display x /* cut off", ("$display", "x")),
        ("", ()),
        (" // nothing", ()),
    ],
)  # fmt: skip
def test_what_the_tokens_are(text: str, tokens: tuple[str, ...]) -> None:
    assert normal_tokens(text) == tokens


@pytest.mark.parametrize("opening", ["(* a", "/*", '"', "'h ", "9 ", "\\", "`", "(", "* ", "/", '(*a"', "module m("])
def test_a_text_of_openings_is_read_in_linear_time(opening: str) -> None:
    start = time.perf_counter()
    normal_tokens(opening * 50_000)
    assert time.perf_counter() - start < 5


# ---- names ----------------------------------------------------------------------------------------


@given(data=st.data())
def test_any_one_to_one_renaming_has_the_same_form(data: st.DataObject) -> None:
    names = name_positions(TOKENS)
    plain = st.from_regex(r"[A-Za-z_][A-Za-z0-9_$]{0,6}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
    fresh = data.draw(st.lists(plain, min_size=len(names), max_size=len(names), unique=True))
    new = dict(zip(names, fresh, strict=True))
    renamed = [("`" if t[0] == "`" else "") + new.get(t.lstrip("`"), t.lstrip("`")) for t in TOKENS]
    assert renamed != list(TOKENS)
    assert renamed_tokens("\n".join(renamed)) == renamed_tokens(RTL)
    assert hide_names(normal_tokens("\n".join(renamed))) == hide_names(TOKENS)


def test_two_names_are_not_made_one() -> None:
    assert renamed_tokens("assign y = a & b;") != renamed_tokens("assign y = a & a;")
    assert renamed_tokens("assign y = a & b;") == renamed_tokens("assign q = b & y;")
    assert hide_names(normal_tokens("y = a & b")) == hide_names(normal_tokens("y = a & a"))


@pytest.mark.parametrize(
    ("old", "new"), [("posedge", "negedge"), ("$display", "$write"), ("4'd1", "4'd2"), (">>>", ">>")]
)
def test_keywords_numbers_and_operators_are_no_names(old: str, new: str) -> None:
    assert renamed_tokens(RTL.replace(old, new)) != renamed_tokens(RTL)


def test_a_macro_and_its_use_are_one_name() -> None:
    assert renamed_tokens("`define A 1\nx = `A;") == ("`define", "n0", "1", "n1", "=", "`n0", ";")


def test_the_exact_key_sees_names_but_no_layout() -> None:
    assert exact_key(SMALL) == exact_key("// an inverter\n" + SMALL.replace(" ", "\n"))
    assert exact_key(SMALL) != exact_key(SMALL.replace("a", "b"))


def test_the_keywords_are_those_of_both_languages() -> None:
    assert {
        "module",
        "always",
        "casez",
        "endgenerate",
        "uwire",
        "always_ff",
        "logic",
        "unique0",
        "endinterface",
    } <= KEYWORDS
    assert not {"clk", "data", "din", "next", "state", "count"} & KEYWORDS


def test_types_and_begin_are_loosened_away() -> None:
    one = "reg [1:0] x; always @(posedge clk) begin x <= 1; end always @(*) y = x;"
    other = "logic [1:0] x; always_ff @(posedge clk) x <= 1; always_comb y = x;"
    assert loosen(normal_tokens(one)) == loosen(normal_tokens(other))
    for event in ("@*", "@ *", "@ ( * )"):
        assert loosen(normal_tokens(one.replace("@(*)", event))) == loosen(normal_tokens(one))
    assert loosen(normal_tokens("y = a * b;")) == ("y", "=", "a", "*", "b", ";")


# ---- comments and modules ---------------------------------------------------------------------------


def test_comments_are_found_where_they_are() -> None:
    code = 'a // one\n"// no" \\x//no\n /* two\nlines */ b /* cut'
    assert comments_of(code) == ["// one", "/* two\nlines */", "/* cut"]


def test_every_module_of_a_text_is_found() -> None:
    other = "module automatic \\k+1 import p::*; (input b);; wire c;\nendmodule : \\k+1 "
    first, second = modules_of(f"`define X 1\n{SMALL} // module in_a_comment\n{other}")
    assert (first.name, second.name) == ("m", "\\k+1")
    assert first.body == ("assign", "y", "=", "~", "a", ";")
    assert second.body == (";", "wire", "c", ";")
    assert second.tokens[:3] == ("module", "import", "p")


def test_a_module_that_is_cut_off_ends_where_the_next_begins() -> None:
    cut, whole, last = modules_of(f"macromodule cut(input a); wire b; {SMALL} module last")
    assert cut.body == ("wire", "b", ";")
    assert cut.tokens[0] == "module"
    assert whole.name == "m"
    assert (last.name, last.body) == ("last", ())


def test_a_text_without_modules_has_none() -> None:
    assert modules_of("package p; endpackage") == modules_of("") == modules_of("endmodule") == ()


def test_the_name_of_a_module_is_not_in_its_tokens() -> None:
    (one,), (other,) = modules_of(SMALL), modules_of(SMALL.replace("module m", "module other"))
    assert one.tokens == other.tokens
    assert one.header == other.header
