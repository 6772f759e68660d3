"""Examples in specifications: each form is read as it is meant, and what is no example is not taken for one."""

from __future__ import annotations

import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Direction, Port
from hdl_sim.stated_examples import Example, Examples, stated_examples


def port(name: str, width: int | None = 1, direction: Direction = "input") -> Port:
    return Port(name=name, direction=direction, width=width)


A, B, C, D = port("a"), port("b"), port("c"), port("d")
Y = port("y", 1, "output")
AND = tuple(Example({"a": a, "b": b}, {"y": str(a & b)}) for a in (0, 1) for b in (0, 1))


def read(spec: str, ports: list[Port], *, clocked: bool = False) -> tuple[Examples, ...]:
    return stated_examples(spec, ports, clocked=clocked)


def rows(spec: str, ports: list[Port], *, clocked: bool = False) -> tuple[Example, ...]:
    """The rows of the one table that a text has."""
    (found,) = read(spec, ports, clocked=clocked)
    assert not found.in_time
    return found.rows


# ---- tables --------------------------------------------------------------------------------------

TABLES = {
    "spaces": "a b y\n0 0 0\n0 1 0\n1 0 0\n1 1 1",
    "bars": "a | b | y\n0 | 0 | 0\n0 | 1 | 0\n1 | 0 | 0\n1 | 1 | 1",
    "markdown": "| a | b | y |\n|---|:-:|---|\n| 0 | 0 | 0 |\n| 0 | 1 | 0 |\n| 1 | 0 | 0 |\n| 1 | 1 | 1 |",
    "markdown code": "| `a` | `b` | **y** |\n|--|--|--|\n| 0 | 0 | `0` |\n| 0 | 1 | 0 |\n| 1 | 0 | 0 |\n| 1 | 1 | 1 |",
    "comments": "// a b y\n// 0 0 0\n// 0 1 0\n// 1 0 0\n// 1 1 1",
    "commas": "a, b, y\n0, 0, 0\n0, 1, 0\n1, 0, 0\n1, 1, 1",
    "rule": "a b | y\n=======\n0 0 | 0\n0 1 | 0\n1 0 | 0\n1 1 | 1\nThat is all of it.",
    "upper case": "A B Y\n0 0 0\n0 1 0\n1 0 0\n1 1 1",
}


@pytest.mark.parametrize("form", TABLES)
def test_a_truth_table_is_read_in_each_way_to_write_it(form: str) -> None:
    assert rows(f"An AND gate:\n\n{TABLES[form]}\n\nNothing more.", [A, B, Y]) == AND


def test_a_table_ends_where_another_begins_or_text_does() -> None:
    spec = "a b y\n0 0 0\n0 1 0\nand then\n1 0 0\n\na y\n1 1\n0 0\n"
    first, second = read(spec, [A, B, Y])
    assert first.rows == AND[:2]
    assert second.rows == (Example({"a": 1}, {"y": "1"}), Example({"a": 0}, {"y": "0"}))


@pytest.mark.parametrize(
    "spec",
    [
        "p q r\n0 0 0\n1 1 1",  # no ports
        "a b q\n0 0 0\n1 1 1",  # one is none
        "a b\n0 0\n1 1",  # no output
        "y z\n0 0\n1 1",  # no input
        "a b y\n0 0 0",  # one row may be anything
        "a b y\n\nhello\n0 0 0\n0 1 0",
        "Module A works like this:\n\na b y\n0 0 0\n1 1 1",  # of another module
        "The submodule's table:\na b y\n0 0 0\n1 1 1",
        "y[3] a\n0 0\n1 1",  # a bit that it does not have
        "",
        "a b y",
    ],
)
def test_what_is_not_certain_to_be_an_example_is_none(spec: str) -> None:
    assert read(spec, [A, B, Y, port("z", 1, "output")]) == ()


@pytest.mark.parametrize("behind", ["Nothing else.", "Be careful!", "Value 1"])
def test_text_close_behind_a_table_is_no_row_of_it(behind: str) -> None:
    ports = [port("x", 4), Y]
    wanted = (Example({"x": 2}, {"y": "0"}), Example({"x": 3}, {"y": "1"}))
    assert rows(f"x y\n0010 0\n0011 1\n{behind}\n", ports) == wanted


def test_a_module_of_which_much_was_said_before_may_have_a_table() -> None:
    assert rows(f"Module A is old.\n\n\n\n\n{TABLES['bars']}", [A, B, Y]) == AND


def test_a_table_of_a_design_with_a_clock_is_no_example() -> None:
    assert read(TABLES["bars"], [A, B, Y], clocked=True) == ()


def test_dont_cares_among_inputs_stand_for_both_values() -> None:
    spec = "a b y\n1 x 1\n- 1 1\n0 0 0"
    assert rows(spec, [A, B, Y]) == (
        Example({"a": 1, "b": 0}, {"y": "1"}),
        Example({"a": 1, "b": 1}, {"y": "1"}),
        Example({"a": 0, "b": 1}, {"y": "1"}),
        Example({"a": 1, "b": 1}, {"y": "1"}),
        Example({"a": 0, "b": 0}, {"y": "0"}),
    )


def test_dont_cares_in_a_word_stand_for_every_value_where_they_are_few() -> None:
    ports = [port("a", 6), port("y", 2, "output")]
    spec = "a y\n1xx00x 10\nxxxxxx 01\n"
    wanted = [Example({"a": int(f"1{i}{j}00{k}", 2)}, {"y": "10"}) for i, j, k in product("01", repeat=3)]
    assert rows(spec, ports) == (*wanted, Example({"a": 0}, {"y": "01"}))


def test_dont_cares_among_outputs_say_nothing() -> None:
    ports = [A, port("y", 2, "output"), port("z", 1, "output")]
    assert rows("a y z\n0 x1 -\n1 d 1\n", ports) == (
        Example({"a": 0}, {"y": "x1", "z": "x"}),
        Example({"a": 1}, {"y": "xx", "z": "1"}),
    )


@pytest.mark.parametrize(
    "cells",
    ["{a} {d:02x}", "{a} | 0x{d:x}", "{a}, 8'h{d:02x}", "4'd{a} 8'd{d}", "0x{a:x} 'h{d:x}", "4'b{a:b} 8'b{d:b}"],
)
def test_a_rom_has_decimal_addresses_and_hexadecimal_data(cells: str) -> None:
    ports = [port("addr", 4), port("data", 8, "output")]
    data = [0x10, 0x25, 0x3, 0xF0, 0xAB, 0x99, 0x0, 0x7, 0x80, 0x1, 0x64, 0xFF]
    spec = "addr data\n" + "\n".join(cells.format(a=a, d=d) for a, d in enumerate(data))
    assert rows(spec, ports) == tuple(Example({"addr": a}, {"data": f"{d:08b}"}) for a, d in enumerate(data))


SEGMENTS = [
    "1111110",
    "0110000",
    "1101101",
    "1111001",
    "0110011",
    "1011011",
    "1011111",
    "1110000",
    "1111111",
    "1111011",
    "1110111",
    "0011111",
    "1001110",
    "0111101",
    "1001111",
    "1000111",
]


def test_among_hexadecimal_digits_a_d_is_one() -> None:
    ports = [port("hex", 4), port("seg", 7, "output")]
    spec = "hex seg\n" + "\n".join(f"{digit:X} {bits}" for digit, bits in enumerate(SEGMENTS))
    assert rows(spec, ports) == tuple(Example({"hex": digit}, {"seg": bits}) for digit, bits in enumerate(SEGMENTS))


def test_in_a_waveform_a_d_is_a_digit_where_there_are_more_bits_than_one() -> None:
    ports = [port("clk"), port("a", 4), port("q", 4, "output")]
    (found,) = read("time clk a q\n0ns 0 c d\n5ns 1 d d\n10ns 0 d e\n", ports, clocked=True)
    assert [row.inputs["a"] for row in found.rows] == [12, 13, 13]
    assert [row.outputs["q"] for row in found.rows] == ["1101", "1101", "1110"]


def test_digits_that_are_binary_or_decimal_say_nothing() -> None:
    ports = [port("a", 4), port("y", 4, "output")]
    assert read("a y\n0 0\n1 1\n10 11\n11 10\n", ports) == ()
    assert len(rows("a y\n0 0\n1 1\n2 11\n3 12\n", ports)) == 4


def test_decimal_data_without_a_letter_is_decimal() -> None:
    ports = [port("addr", 2), port("data", 8, "output")]
    assert rows("addr data\n0 10\n1 99\n2 255\n3 256", ports) == (
        Example({"addr": 0}, {"data": f"{10:08b}"}),
        Example({"addr": 1}, {"data": f"{99:08b}"}),
        Example({"addr": 2}, {"data": f"{255:08b}"}),
        Example({"addr": 3}, {"data": "x" * 8}),  # does not fit, so nothing is said
    )


def test_columns_can_be_bits_and_parts_of_ports() -> None:
    ports = [port("a", 3), port("y", 4, "output")]
    spec = "a[2] a[1:0] y[3] y[1:0]\n0 10 1 01\n1 11 0 11"
    assert rows(spec, ports) == (Example({"a": 2}, {"y": "1x01"}), Example({"a": 7}, {"y": "0x11"}))


def test_bits_that_the_text_counts_from_one_are_counted_from_one() -> None:
    ports = [port("x", 3), Y]
    assert rows("x[3] x[2] x[1] y\n0 0 1 1\n1 0 0 0", ports) == (
        Example({"x": 1}, {"y": "1"}),
        Example({"x": 4}, {"y": "0"}),
    )
    assert rows("x[2] x[1] x[0] y\n0 0 1 1\n1 0 0 0", ports)[0] == Example({"x": 1}, {"y": "1"})


def test_an_output_bit_that_no_column_shows_is_not_said() -> None:
    assert rows("a y\n0 1\n1 0\n", [A, B, Y, port("z", 2, "output")])[0] == Example({"a": 0}, {"y": "1"})


# ---- waveforms -----------------------------------------------------------------------------------


def test_a_waveform_without_a_clock_is_in_time() -> None:
    spec = "time a b y\n0ns 0 0 0\n5ns 1 0 0\n10ns 1 1 1\n15ns x 1 x\n"
    (found,) = read(spec, [A, B, Y])
    assert found == Examples(
        (
            Example({"a": 0, "b": 0}, {"y": "0"}),
            Example({"a": 1, "b": 0}, {"y": "0"}),
            Example({"a": 1, "b": 1}, {"y": "1"}),
            Example({"a": 0, "b": 1}, {"y": "x"}),
        ),
        in_time=True,
    )


def test_a_waveform_with_a_clock_is_the_one_example_that_a_clocked_design_has() -> None:
    ports = [port("clk"), port("d", 8), port("q", 8, "output")]
    spec = (
        "| time | clk | d | q |\n|---|---|---|---|\n| 0 | 0 | 10 | x |\n| 5 | 1 | 10 | 10 |\n| 10.5 | 0 | 1f | 10 |\n"
    )
    (found,) = read(spec, ports, clocked=True)
    assert found.in_time
    assert found.rows == (
        Example({"clk": 0, "d": 0x10}, {"q": "x" * 8}),
        Example({"clk": 1, "d": 0x10}, {"q": "00010000"}),
        Example({"clk": 0, "d": 0x1F}, {"q": "00010000"}),
    )


def test_a_waveform_whose_times_are_none_is_no_example() -> None:
    assert read("time a y\nfirst 0 0\nsecond 1 1", [A, Y], clocked=True) == ()
    assert read("a time y\n0 0 0\n1 5 1", [A, Y], clocked=True) == ()


# ---- Karnaugh maps -------------------------------------------------------------------------------


def majority(a: int, b: int, c: int) -> Example:
    return Example({"a": a, "b": b, "c": c}, {"y": str(int(a + b + c >= 2))})


MAPS = {
    "names above and before": "         bc\n  a   00 01 11 10\n  0  | 0 | 0 | 1 | 0 |\n  1  | 0 | 1 | 1 | 1 |\n",
    "comments": "//        b c\n// a    00 01 11 10\n// 0   | 0  0  1  0\n// 1   | 0  1  1  1\n",
    "in words": "rows a, columns bc\n     00 01 11 10\n 0 |  0  0  1  0\n 1 |  0  1  1  1\n",
    "in words with and": "A map with rows a and columns bc\n     00 01 11 10\n 0 |  0  0  1  0\n 1 |  0  1  1  1\n",
}


@pytest.mark.parametrize("form", MAPS)
def test_a_karnaugh_map_is_read_in_each_layout(form: str) -> None:
    found = rows(f"Drive y as in this map:\n\n{MAPS[form]}\nThe end.", [A, B, C, Y])
    assert len(found) == 8
    assert sorted(found, key=str) == sorted((majority(*row) for row in product((0, 1), repeat=3)), key=str)


def test_a_square_map_with_dont_cares_says_nothing_of_these() -> None:
    spec = (
        "     ab\ncd   00 01 11 10\n00 | d | 0 | 1 | 1 |\n01 | 0 | 0 | d | d |\n"
        "11 | 0 | 1 | 1 | 1 |\n10 | 0 | 1 | 1 | 1 |\n"
    )
    found = {tuple(one.inputs[name] for name in "abcd"): one.outputs["y"] for one in rows(spec, [A, B, C, D, Y])}
    assert len(found) == 16
    assert (found[0, 0, 0, 0], found[1, 1, 0, 1], found[1, 0, 0, 1]) == ("x", "x", "x")
    assert (found[1, 1, 0, 0], found[0, 1, 0, 0], found[0, 1, 1, 0], found[1, 0, 1, 0]) == ("1", "0", "1", "1")


def test_a_map_of_bits_that_count_from_one() -> None:
    spec = "          x[1]x[2]\nx[3]x[4]  00 01 11 10\n00 | 1 0 0 0\n01 | 0 1 0 0\n11 | 0 0 1 0\n10 | 0 0 0 1\n"
    ones = {one.inputs["x"] for one in rows(spec, [port("x", 4), Y]) if one.outputs["y"] == "1"}
    # x[1] is the lowest bit: x[1]x[2]x[3]x[4] = 0000, 0101, 1111, 1010.
    assert ones == {0b0000, 0b1010, 0b1111, 0b0101}
    spec = spec.replace("11 | 0 0 1 0", "11 | 0 0 0 1")
    ones = {one.inputs["x"] for one in rows(spec, [port("x", 4), Y]) if one.outputs["y"] == "1"}
    assert ones == {0b0000, 0b1010, 0b1101, 0b0101}


@pytest.mark.parametrize(
    "spec",
    [
        "     bc\na   00 01 11 10\n0 | 0 0 1 0\n",  # a row is missing
        "     bc\na   00 01 11 10\n0 | 0 0 1 0\n0 | 0 1 1 1\n",  # the same twice
        "     bc\na   00 01 11 11\n0 | 0 0 1 0\n1 | 0 1 1 1\n",
        "     bq\na   00 01 11 10\n0 | 0 0 1 0\n1 | 0 1 1 1\n",  # no port
        "     b\na   00 01 11 10\n0 | 0 0 1 0\n1 | 0 1 1 1\n",
        "a   00 01 11 10\n0 | 0 0 1 0\n1 | 0 1 1 1\n",  # no names above
    ],
)
def test_what_is_no_whole_map_is_none(spec: str) -> None:
    assert read(spec, [A, B, C, Y]) == ()


def test_a_map_is_of_one_output_of_one_bit() -> None:
    assert read(MAPS["in words"], [A, B, C, Y, port("z", 1, "output")]) == ()
    assert read(MAPS["in words"], [A, B, C, port("y", 2, "output")]) == ()
    assert read(MAPS["in words"], [A, B, C, Y], clocked=True) == ()


# ---- sentences -----------------------------------------------------------------------------------

WORD = [port("in", 4), port("out", 8, "output")]


@pytest.mark.parametrize(
    ("spec", "value", "answer"),
    [
        ("For instance, the input 4'b0011 gives the output 8'h05.", 3, "00000101"),
        ("Add two. An input of 4'd12 has 8'd14 as its output! Fine.", 12, "00001110"),
    ],
)
def test_a_sentence_with_a_number_for_input_and_output_is_an_example(spec: str, value: int, answer: str) -> None:
    assert rows(spec, WORD) == (Example({"in": value}, {"out": answer}),)


@pytest.mark.parametrize(
    "spec",
    [
        "The input is 4'b0011. The output is 8'h05.",
        "The input 4'b0011 or 4'b0100 gives the output 8'h05.",
        "The input 8'b0011 gives the output 4'h5.",
        "The output is 8'h05 for 4'b0011.",
        "The input 4'd31 gives the output 8'h05.",
        "The input 3 gives the output 5.",
    ],
)
def test_other_sentences_are_none(spec: str) -> None:
    assert read(spec, WORD) == ()


def test_a_sentence_is_no_example_of_a_design_with_more_ports_or_a_clock() -> None:
    spec = "The input 4'b0011 gives the output 8'h05."
    assert read(spec, [*WORD, A]) == ()
    assert read(spec, WORD, clocked=True) == ()


# ---- any text ------------------------------------------------------------------------------------


@st.composite
def truth_tables(draw: st.DrawFn) -> tuple[list[Port], list[tuple[dict[str, int], dict[str, str]]]]:
    """Ports, and rows that all differ in their inputs."""
    names = draw(st.lists(st.sampled_from(["a", "b", "sel", "in_0", "Data", "x", "q1", "y", "out"]), min_size=2,
                          max_size=6, unique=True))  # fmt: skip
    cut = draw(st.integers(1, len(names) - 1))
    ports = [port(name, draw(st.integers(1, 12)), "input" if at < cut else "output") for at, name in enumerate(names)]
    found = []
    for _ in range(draw(st.integers(2, 12))):
        values = {p.name: draw(st.integers(0, (1 << (p.width or 1)) - 1)) for p in ports[:cut]}
        answers = {p.name: draw(st.text("01x", min_size=p.width or 1, max_size=p.width)) for p in ports[cut:]}
        found.append((values, answers))
    return ports, found


@settings(max_examples=150, deadline=None)
@given(truth_tables(), st.sampled_from(["  ", " | ", ", ", "\t"]), st.booleans(), st.randoms(use_true_random=False))
def test_a_table_that_is_written_out_is_read_back(
    table: tuple[list[Port], list[tuple[dict[str, int], dict[str, str]]]], between: str, ruled: bool, order: object
) -> None:
    ports, wanted = table
    columns = [*ports]
    order.shuffle(columns)  # type: ignore[attr-defined]
    lines = [between.join(column.name for column in columns)]
    lines += ["|".join("---" for _ in columns)] if ruled else []
    for values, answers in wanted:
        cells = {p.name: f"{values[p.name]:0{p.width}b}" for p in ports if p.direction == "input"}
        lines.append(between.join({**cells, **answers}[column.name] for column in columns))
    found = rows("\n".join(["A table.", *lines, "", "It ends."]), ports)
    assert [(dict(one.inputs), dict(one.outputs)) for one in found] == wanted


MANY = [A, B, port("x", 4), port("addr", 3), port("w", None), Y]
TEXTS = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ["a", "b", "x", "x[1]", "x[4]", "x[9:2]", "addr", "y", "time", "w", "a b y", "rows a", "columns b", "input",
         "output", "Module B", "00", "01", "11", "10", "0", "1", "-", "|", "---", "5ns", "0x1f", "'h", "_", "4'd9",
         "1'b1", "1'b0", "4'hz", ",", ".", "//", "²", "٣", "9" * 30, " ", " ", "\n", "\n", "\n"]
    ),
    max_size=60,
).map(" ".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.booleans())
def test_any_text_is_read_without_a_crash_and_what_is_found_fits_the_ports(spec: str, clocked: bool) -> None:
    width = {p.name: p.width or 0 for p in MANY}
    for ports in (MANY, [A, Y]):
        for found in stated_examples(spec, ports, clocked=clocked):
            assert found.rows
            assert found.in_time or not clocked
            for one in found.rows:
                assert all(0 <= value < 1 << width[name] for name, value in one.inputs.items())
                assert all(len(text) == width[name] and set(text) <= set("01x") for name, text in one.outputs.items())


DIGITS = "9" * 5000
NUMBERS = ["1'b2", "8'bff", "4'd1f", "4'h_", DIGITS, f"4'd{DIGITS}"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:6])
def test_a_number_that_is_none_says_nothing(number: str) -> None:
    assert rows(f"x y\n{number} 1\n2 1", [port("x", 4), Y])[-1] == Example({"x": 2}, {"y": "1"})
    assert rows(f"x y\n2 {number}\n1 0", [port("x", 4), Y])[0] == Example({"x": 2}, {"y": "x"})
    assert read(f"The input 4'b0001 gives the output {number}.", [port("x", 4), Y]) == ()


def test_a_width_of_thousands_of_digits_is_none() -> None:
    assert read(f"The input {DIGITS}'d1 gives the output 1'b1.", [port("x", 4), Y]) == ()


@pytest.mark.parametrize("cell", ["*" * 5000 + "!", "0" * 5000 + "!", "f*" * 2500 + "!", "[" * 5000])
def test_a_long_cell_is_read_in_time(cell: str) -> None:
    started = time.process_time()
    assert read(f"a y\n{cell} 0\n{cell} 1", [A, Y]) == ()
    assert time.process_time() - started < 0.5


def test_a_star_is_a_dont_care_and_two_on_each_side_are_bold() -> None:
    found = rows("**s** y\n1* 1\n**01** 0\n00 0", [port("s", 2), Y])
    assert [(row.inputs["s"], row.outputs["y"]) for row in found] == [(2, "1"), (3, "1"), (1, "0"), (0, "0")]


def test_binary_with_a_prefix() -> None:
    found = rows("x y\n0b1 1\n0b0011 0", [port("x", 8), Y])
    assert [row.inputs["x"] for row in found] == [1, 3]


def test_a_sentence_that_says_what_is_not_is_no_example() -> None:
    ports = [port("x", 4), port("z", 8, "output")]
    assert len(read("The input 4'b0011 gives the output 8'h05.", ports)) == 1
    assert read("The input 4'b0011 must never give the output 8'h05.", ports) == ()


def test_a_heading_of_names_within_names_is_read_in_time() -> None:
    started = time.process_time()
    assert read("a" * 36 + "!\na 00 01 11 10\n", [A, port("aa"), Y]) == ()
    assert time.process_time() - started < 0.5
