"""Families of error-correcting codes: Hamming encoders, with an overall parity bit or without."""

from __future__ import annotations

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, a_bit, article, inp, outp


def hamming_encoder(width: int, extended: bool, kind: str, numbering: str) -> Circuit:
    checks = next(r for r in range(2, 6) if (1 << r) >= width + r + 1)
    length = width + checks
    odd = kind == "odd"
    data = [p for p in range(1, length + 1) if p & (p - 1)]
    up = numbering == "up"
    total = length + extended

    def place(position: int) -> int:
        return position - 1 if up else total - position

    lines = [f"    assign code[{place(p)}] = d[{j}];" for j, p in enumerate(data)]
    for k in range(checks):
        covered = " ^ ".join(f"d[{j}]" for j, p in enumerate(data) if p >> k & 1)
        lines.append(f"    assign code[{place(1 << k)}] = {f'~({covered})' if odd else covered};")
    if extended:
        others = f"code[{length - 1}:0]" if up else f"code[{length}:1]"
        lines.append(f"    assign code[{length if up else 0}] = {'~' if odd else ''}^{others};")

    def function(v: dict[str, int]) -> dict[str, int]:
        word = {p: v["d"] >> j & 1 for j, p in enumerate(data)}
        for k in range(checks):
            word[1 << k] = sum(bit for p, bit in word.items() if p in data and p >> k & 1) + odd & 1
        if extended:
            word[length + 1] = sum(word.values()) + odd & 1
        return {"code": sum(bit << place(p) for p, bit in word.items())}

    powers = ", ".join(str(1 << k) for k in range(checks - 1)) + f" and {1 << (checks - 1)}"
    return Circuit(
        name="hamming_encoder",
        headlines=(
            article(f"Hamming encoder for {width} data bits"),
            article(f"({total},{width}) Hamming code encoder"),
            article(f"{'SECDED' if extended else 'Hamming'} encoder from {width} to {total} bits"),
            article(f"encoder that adds {checks + extended} Hamming check bits to {a_bit(width)} word"),
            article(f"generator of {total}-bit Hamming code words for {width}-bit data"),
        ),
        inputs=(inp("d", width),),
        outputs=(outp("code", total),),
        body="\n".join(lines),
        model=Combinational(function),
        facts=(
            _positions_fact(up, length, total),
            _check_fact(powers, kind),
            *((_overall_fact(total if up else 1, kind),) if extended else ()),
        ),
        roles={"d": "data", "code": "code word"},
        cycles=160,
    )


def _positions_fact(up: bool, length: int, total: int) -> Fact:
    first, last = (0, length - 1) if up else (total - 1, total - length)
    return Fact(
        (),
        (
            f"The positions are numbered from 1, which is {{code}}[{first}], to {length}, which is {{code}}[{last}].",
            f"Position 1 is {{code}}[{first}] and position {length} is {{code}}[{last}].",
            f"{{code}}[{first}] is position 1, the next one position 2, and so on to {{code}}[{last}], position {length}.",
        ),
    )


def _check_fact(powers: str, kind: str) -> Fact:
    return Fact(
        (),
        (
            f"Positions {powers} are parity bits; the others take the data in ascending order, {{d}}[0] first. "
            f"The parity bit at p makes the number of ones {kind} over all positions whose binary number has the bit of "
            "weight p set, its own included.",
            f"The parity bits stand at {powers}, the data bits from {{d}}[0] on in the rest in ascending order. Parity bit "
            f"p gives {kind} parity over all positions n with n & p not 0.",
        ),
    )


def _overall_fact(total: int, kind: str) -> Fact:
    bit = f"{{code}}[{total - 1}]"
    return Fact(
        (f"an overall parity bit {bit} that makes the number of ones in the whole word {kind}",),
        (
            f"{bit} is an overall parity bit: it makes the number of ones in all of {{code}} {kind}.",
            f"The remaining bit {bit} gives the whole of {{code}} {kind} parity.",
        ),
    )


FAMILIES = (
    Family(
        "hamming_encoder", "error-correcting codes", "hard", "combinational",
        {"width": (4, 5, 6, 7, 8, 10, 11, 12, 16), "extended": (False, True), "kind": ("even", "odd"),
         "numbering": ("up", "down")},
        hamming_encoder,
    ),
)  # fmt: skip
