"""Examples that a specification gives of what a design does: truth tables, contents of ROMs, Karnaugh maps, waveforms.

Reads a specification's text and the ports; writes nothing. Only forms in which every column is a port are taken: what
is not certain to be an example is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from autovcoder.records import Direction, Port

# Rows of a table, and rows that its don't-cares stand for.
_MOST_ROWS, _MOST_FREE = 4096, 4
# Close above a table: it is of some other module, which this one is made of.
_OTHER = re.compile(r"\b[Mm]odule\s+[A-Z]\b|\b[Ss]ub-?(?:module|circuit)s?\b")
_RULE_LINE = re.compile(r"[\s|:+=-]*")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(?:[munpf]?s)?")
_HEX = re.compile(r"(?:0x|'h)?([0-9a-f_]+)", re.IGNORECASE)
_SIZED = re.compile(r"(?<![\w'])(\d{1,5})'([bdh])([0-9a-f_]+)\b", re.IGNORECASE)
_SIZED_VALUE = re.compile(r"\d{0,5}'[bdh]\w+", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"(?:0x|0b)?[0-9a-fxz_*?-]+", re.IGNORECASE)
_BINARY_VALUE = re.compile(r"0b[01_]+", re.IGNORECASE)
_LETTERS = re.compile(r"[a-f]+|[A-F]+")
_NEGATED = re.compile(r"\b(?:not|never|instead|wrong|wrongly|except|without)\b|n't", re.IGNORECASE)
_LONGEST, _WIDEST = 65_536, 65_536  # characters of a cell, bits of a port
_LABELS = re.compile(r"[01]{1,3}")
_FREE = frozenset("xXdD-*?")


@dataclass(frozen=True, slots=True)
class Example:
    """What goes in, and what is said to come out.

    Attributes:
        inputs: the value of each input that is given; the others are 0.
        outputs: of each output that is given its bits, the highest first; ``x`` where nothing is said.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples from one table.

    Attributes:
        in_time: each follows the one before it, as in a waveform; otherwise each stands for itself.
    """

    rows: tuple[Example, ...]
    in_time: bool


def stated_examples(spec: str, ports: Sequence[Port], *, clocked: bool) -> tuple[Examples, ...]:
    """The examples in a specification, in the order of the text.

    Args:
        ports: of the module that is asked for. ``clocked``: it has a clock, so that only waveforms can be examples.
    """
    known = _Known(spec, [port for port in ports if port.width is not None and port.width <= _WIDEST])
    lines = [re.sub(r"^\s*(?://|#|\*(?=\s))?", "", line).rstrip() for line in spec.splitlines()]
    found = list(_tables(lines, known, clocked=clocked))
    if not clocked:
        found += [*_karnaugh_maps(lines, known), *_sentences(spec, known)]
    return tuple(examples for examples in found if examples.rows)


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column of a table shows: a port, or some bits of it; without a port, the time."""

    port: Port | None
    high: int = 0
    low: int = 0

    @property
    def width(self) -> int:
        return self.high - self.low + 1


class _Known:
    """The ports, and the number of the lowest bit of each: 1 where the text counts its bits up to its width."""

    def __init__(self, spec: str, ports: Sequence[Port]) -> None:
        self.ports = ports
        self._named = {port.name: port for port in ports}
        self._lowered: dict[str, list[Port]] = {}
        for port in ports:
            self._lowered.setdefault(port.name.lower(), []).append(port)
        bits: dict[str, list[int]] = {}
        for name, bit in re.findall(r"\b(\w+)\[(\d{1,6})\]", spec):
            if name in self._named:
                bits.setdefault(name, []).append(int(bit))
        self._first = {
            name: int(min(seen) >= 1 and max(seen) == self._named[name].width) for name, seen in bits.items()
        }

    def directed(self, direction: Direction) -> list[Port]:
        return [port for port in self.ports if port.direction == direction]

    def column(self, text: str) -> _Column | None:
        """What a heading stands for; None where it is neither a port nor the time."""
        match = re.fullmatch(r"([A-Za-z_]\w*)(?:\[(\d{1,6})(?::(\d{1,6}))?\])?", _bare(text))
        if match is None:
            return None
        port = self._named.get(match[1]) or _only(self._lowered.get(match[1].lower(), []))
        if port is None:
            return _Column(None) if match[1].lower() == "time" else None
        width, first = port.width or 1, self._first.get(port.name, 0)
        high = int(match[2]) - first if match[2] else width - 1
        low = int(match[3] or match[2]) - first if match[2] else 0
        return _Column(port, high, low) if 0 <= low <= high < width else None


def _only(found: Sequence[Port]) -> Port | None:
    return found[0] if len(found) == 1 else None


def _bare(cell: str) -> str:
    """A cell without the marks of Markdown; a single ``*`` may be a don't-care."""
    cell = cell.strip("`")
    return cell[2:-2] if len(cell) > 4 and cell.startswith("**") and cell.endswith("**") else cell


def _is_value(cell: str) -> bool:
    """Whether a cell can stand for a value: a sized number, one with a digit, hexadecimal letters, or don't-cares."""
    cell = _bare(cell)
    if not cell or len(cell) > _LONGEST:
        return False
    if set(cell) <= _FREE | {"z", "Z"} or _SIZED_VALUE.fullmatch(cell) or _LETTERS.fullmatch(cell):
        return True
    return _PLAIN_VALUE.fullmatch(cell) is not None and any(bit.isdigit() for bit in cell)


def _cells(line: str) -> list[str]:
    return line.replace("|", " ").replace(",", " ").split()


def _tables(lines: Sequence[str], known: _Known, *, clocked: bool) -> Iterator[Examples]:
    done = 0
    for place, line in enumerate(lines):
        columns = [known.column(cell) for cell in _cells(line)]
        if place < done or len(columns) < 2 or None in columns:
            continue
        table = [column for column in columns if column is not None]
        in_time = table[0].port is None
        if any(column.port is None for column in table[1:]) or (clocked and not in_time):
            continue
        directions = {column.port.direction for column in table if column.port}
        if "output" not in directions or not (in_time or "input" in directions):
            continue
        if _OTHER.search("\n".join(lines[max(0, place - 3) : place])):
            continue
        rows, done = _rows(lines, place + 1, table)
        if len(rows) >= 2 and not (in_time and any(not _TIME.fullmatch(row[0]) for row in rows)):
            yield _examples(table, rows, in_time)


def _is_input(column: _Column) -> bool:
    return column.port is not None and column.port.direction == "input"


def _rows(lines: Sequence[str], start: int, table: Sequence[_Column]) -> tuple[list[list[str]], int]:
    """The rows below a heading, and the line behind the last: where an input has no value, prose has begun."""
    given = [at for at, column in enumerate(table) if _is_input(column)]
    rows: list[list[str]] = []
    place = start
    while place < len(lines) and len(rows) < _MOST_ROWS:
        cells = _cells(lines[place])
        whole = len(cells) == len(table) and all(_is_value(cells[at]) for at in given)
        if whole and not _RULE_LINE.fullmatch(lines[place]):
            rows.append(cells)
        elif rows or not _RULE_LINE.fullmatch(lines[place]):
            break
        place += 1
    return rows, place


def _examples(table: Sequence[_Column], rows: Sequence[Sequence[str]], in_time: bool) -> Examples:
    columns = [(column, [row[at] for row in rows]) for at, column in enumerate(table)]
    bits = [_bits(column, cells, in_time) if column.port else None for column, cells in columns]
    found: list[Example] = []
    for at in range(len(rows)):
        given = [bit[at] for column, bit in zip(table, bits, strict=True) if bit is not None and _is_input(column)]
        if None in given:
            continue  # nobody knows what goes in
        inputs: dict[str, list[str]] = {}
        outputs: dict[str, list[str]] = {}
        for column, values in zip(table, bits, strict=True):
            if column.port is None or values is None:
                continue
            side = inputs if column.port.direction == "input" else outputs
            whole = side.setdefault(column.port.name, ["x"] * (column.port.width or 1))
            width = len(whole)
            whole[width - 1 - column.high : width - column.low] = values[at] or "x" * column.width
        found += _filled(inputs, {name: "".join(value) for name, value in outputs.items()}, in_time)
    return Examples(tuple(found[:_MOST_ROWS]), in_time)


def _filled(inputs: Mapping[str, list[str]], outputs: Mapping[str, str], in_time: bool) -> Iterator[Example]:
    """The example with its don't-cares among the inputs as 0, and outside of time as every value where they are few."""
    free = [(name, at) for name, value in inputs.items() for at, bit in enumerate(value) if bit == "x"]
    choices = product("01", repeat=len(free)) if not in_time and len(free) <= _MOST_FREE else [("0",) * len(free)]
    for choice in choices:
        values = {name: list(value) for name, value in inputs.items()}
        for (name, at), bit in zip(free, choice, strict=True):
            values[name][at] = bit
        yield Example({name: int("".join(value), 2) for name, value in values.items()}, outputs)


def _bits(column: _Column, cells: Sequence[str], in_time: bool) -> list[str | None]:
    """The cells of a column in binary, None where one says nothing that can be read.

    Binary where every cell has the column's width in binary digits; hexadecimal in a waveform, with a prefix or a
    letter, and then ``d`` is a digit as well; otherwise decimal, if it cannot be binary without leading zeros.
    """
    width = column.width
    plain = [_bare(cell).lower() for cell in cells]
    digits = [cell for cell in plain if not set(cell) <= _FREE]
    if all(len(cell) == width and set(cell) <= set("01xdz-*?") for cell in digits):
        return [_binary(cell, width) for cell in plain]
    letters = any(
        re.search(r"[a-f]", cell.partition("x")[2] or cell)
        for cell in digits
        if _HEX.fullmatch(cell) and not _BINARY_VALUE.fullmatch(cell)
    )
    base = 16 if in_time or letters or any(cell.startswith(("0x", "'h")) for cell in digits) else 10
    if base == 10 and any(len(cell) > 1 for cell in digits) and all(set(cell) <= {"0", "1"} for cell in digits):
        return [None for _ in plain]
    return [_number(cell, width, base) for cell in plain]


def _binary(cell: str, width: int) -> str | None:
    bits = "".join("x" if bit in _FREE or bit == "z" else bit for bit in cell)
    if len(cell) == 1:
        return bits * width if bits == "x" else bits.rjust(width, "0")
    return bits if len(bits) == width else None


def _number(cell: str, width: int, base: int) -> str | None:
    if set(cell) <= (_FREE - {"d"} if base == 16 else _FREE):
        return "x" * width
    sized = _SIZED.fullmatch(cell)
    if sized:
        return _fits(sized[3], {"b": 2, "d": 10, "h": 16}[sized[2].lower()], width)
    if _BINARY_VALUE.fullmatch(cell):
        return _fits(cell[2:], 2, width)
    prefixed = cell.startswith(("0x", "'h"))
    match = _HEX.fullmatch(cell)
    if match is None or (not prefixed and base == 10 and not match[1].isdecimal()):
        return None
    return _fits(match[1], 16 if prefixed else base, width)


def _fits(digits: str, base: int, width: int) -> str | None:
    try:
        value = int(digits.replace("_", ""), base)
    except ValueError:
        return None  # a digit that the base has not, none at all, or thousands of them
    return f"{value:0{width}b}" if value < 1 << width else None


def _karnaugh_maps(lines: Sequence[str], known: _Known) -> Iterator[Examples]:
    """Maps; the columns are named in the line above and the rows before the labels, or both in words above."""
    output = _only([port for port in known.directed("output") if port.width == 1])
    for place, line in enumerate(lines):
        cells = _cells(line)
        labels = [cell for cell in cells if _LABELS.fullmatch(cell)]
        size = len(labels).bit_length() - 1
        whole = len(labels) >= 2 and len(set(labels)) == len(labels) == 1 << size and {len(x) for x in labels} == {size}
        if output is None or place == 0 or not whole or cells[-len(labels) :] != labels:
            continue
        above = lines[place - 1]
        told = re.search(r"rows?\s+(\S+?),?\s+(?:and\s+)?columns?\s+(\S+)", above, re.IGNORECASE)
        side, top = (told[1], told[2]) if told else ("".join(cells[: -len(labels)]), "".join(_cells(above)))
        tops, sides = _names(top, known), _names(side, known)
        if tops is None or sides is None or len(tops) != size:
            continue
        rows = _map_rows(lines, place + 1, len(sides), len(labels))
        table = [*sides, *tops, _Column(output)]
        cells_of = [[*row[0], *label, value] for row in rows for label, value in zip(labels, row[1:], strict=True)]
        if len(rows) == 1 << len(sides):
            yield _examples(table, cells_of, in_time=False)


def _map_rows(lines: Sequence[str], start: int, size: int, columns: int) -> list[list[str]]:
    rows = []
    for line in lines[start : start + (1 << size)]:
        cells = _cells(line)
        if len(cells) != columns + 1 or not re.fullmatch(rf"[01]{{{size}}}", cells[0]):
            break
        rows.append(cells)
    return rows if len({row[0] for row in rows}) == len(rows) else []


def _names(text: str, known: _Known) -> list[_Column] | None:
    """The single bits whose names stand in ``text`` one behind the other; None where that is not all there is."""
    names = sorted((port.name for port in known.directed("input")), key=len, reverse=True)
    form = re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?:\[\d{{1,6}}\])?")
    columns: list[_Column] = []
    at = 0
    while names and at < len(text):
        match = form.match(text, at)
        column = known.column(match[0]) if match else None
        if match is None or column is None or column.width != 1:
            return None
        columns.append(column)
        at = match.end()
    return columns or None


def _sentences(spec: str, known: _Known) -> Iterator[Examples]:
    """For a design of one input and one output: sentences with a sized number for each, the input's first."""
    inputs = _only(known.directed("input"))
    output = _only(known.directed("output"))
    if inputs is None or output is None or len(known.ports) != 2:
        return
    for sentence in re.split(r"(?<=[.!?;])\s+", spec):
        numbers = list(_SIZED.finditer(sentence))
        if len(numbers) != 2 or [int(number[1]) for number in numbers] != [inputs.width, output.width]:
            continue
        words = sentence.lower()
        if _NEGATED.search(words) or not -1 < words.find("input") < words.find("output"):
            continue
        value = _number(numbers[0][0].lower(), inputs.width or 1, 10)
        answer = _number(numbers[1][0].lower(), output.width or 1, 10)
        if value is not None and answer is not None:
            yield Examples((Example({inputs.name: int(value, 2)}, {output.name: answer}),), in_time=False)
