"""Families that choose and code: multiplexers, demultiplexers, decoders, encoders."""

from __future__ import annotations

from data_pipeline.circuit import Circuit, Combinational, Fact, Family, a_bit, article, inp, mask, outp


def mux(ways: int, width: int) -> Circuit:
    size = (ways - 1).bit_length()
    names = ["a", "b"] if ways == 2 else [f"in{i}" for i in range(ways)]
    if ways == 2:
        body, registers = "    assign y = sel ? b : a;", frozenset[str]()
    else:
        cases = [f"            {size}'d{i}: y = {name};" for i, name in enumerate(names)]
        cases[-1] = f"            default: y = {names[-1]};"
        body = "    always @(*) begin\n        case (sel)\n" + "\n".join(cases) + "\n        endcase\n    end"
        registers = frozenset({"y"})
    picks = ("{y} is {a} when {sel} is 0 and {b} when {sel} is 1.", "If {sel} is 1, {y} is {b}; else it is {a}.")
    if ways > 2:
        last = f"{{in{ways - 1}}}"
        picks = (
            f"{{y}} is {{in0}} when {{sel}} is 0, {{in1}} when it is 1, and so on up to {last}.",
            f"{{sel}} is the number of the input that goes to {{y}}, from {{in0}} to {last}.",
        )
    return Circuit(
        name=f"mux{ways}",
        headlines=(
            article(f"{width}-bit {ways}-to-1 multiplexer"),
            article(f"{ways}-to-1 multiplexer for {width}-bit inputs"),
            article(f"{ways}:1 mux, {width} bits wide" if width > 1 else f"{ways}:1 mux, 1 bit wide"),
            article(f"{ways}-input multiplexer with a data width of {width}"),
            article(f"{ways}-to-1 mux with {width}-bit data"),
        ),
        inputs=(*(inp(name, width) for name in names), inp("sel", size)),
        outputs=(outp("y", width),),
        registers=registers,
        body=body,
        model=Combinational(lambda v: {"y": v[names[v["sel"]]]}),
        facts=(Fact((), picks),),
        roles={"sel": "select", "y": "selected input", **{name: f"data input {i}" for i, name in enumerate(names)}},
        cycles=128,
    )


def demux(ways: int, width: int) -> Circuit:
    size = (ways - 1).bit_length()
    return Circuit(
        name=f"demux{ways}",
        headlines=(
            article(f"{width}-bit 1-to-{ways} demultiplexer"),
            article(f"1-to-{ways} demultiplexer for {width}-bit data"),
            article(f"1:{ways} demux with {a_bit(width)} input"),
            article(f"demultiplexer from one {width}-bit input to {ways} outputs"),
        ),
        inputs=(inp("d", width), inp("sel", size)),
        outputs=tuple(outp(f"y{i}", width) for i in range(ways)),
        body="\n".join(f"    assign y{i} = (sel == {size}'d{i}) ? d : {width}'d0;" for i in range(ways)),
        model=Combinational(lambda v: {f"y{i}": v["d"] if v["sel"] == i else 0 for i in range(ways)}),
        facts=(
            Fact((), ("The outputs that are not selected are 0.", "All outputs but the one chosen by {sel} are zero.")),
        ),
        roles={"d": "data", "sel": "select", **{f"y{i}": f"output {i}" for i in range(ways)}},
    )


def decoder(size: int, enable: bool, level: str) -> Circuit:
    ways = 1 << size
    low = level == "low"
    one_hot = f"{ways}'d1 << sel"
    value = f"en ? ({one_hot}) : {ways}'d0" if enable else one_hot
    body = f"    assign y = ~({value});" if low else f"    assign y = {value};"

    def function(v: dict[str, int]) -> dict[str, int]:
        hot = 1 << v["sel"] if not enable or v["en"] else 0
        return {"y": hot ^ mask(ways) if low else hot}

    facts = [
        Fact(
            (f"active-{level} outputs",),
            (
                f"The outputs are active {level}.",
                f"The selected bit of {{y}} is {0 if low else 1} and the others are {1 if low else 0}.",
            ),
        )
    ]
    if enable:
        facts.append(
            Fact(
                ("an active-high enable", "enable"),
                ("When {en} is 0 no output is active.", "No output is active unless {en} is 1."),
            )
        )
    return Circuit(
        name="decoder",
        headlines=(
            article(f"{size}-to-{ways} decoder"),
            article(f"{size} to {ways} decoder"),
            article(f"binary decoder from {size} bits to {ways} lines"),
            article(f"{size}:{ways} line decoder"),
        ),
        inputs=(inp("sel", size), *((inp("en"),) if enable else ())),
        outputs=(outp("y", ways),),
        body=body,
        model=Combinational(function),
        facts=tuple(facts),
        roles={"sel": "binary code", "en": "enable", "y": "decoded lines"},
        busy={"en": 0.8},
    )


def priority_encoder(width: int, first: str, valid: bool) -> Circuit:
    size = (width - 1).bit_length()
    order = (
        f"for (i = 0; i < {width}; i = i + 1)" if first == "highest" else f"for (i = {width - 1}; i >= 0; i = i - 1)"
    )

    def function(v: dict[str, int]) -> dict[str, int]:
        d = v["d"]
        index = 0 if d == 0 else (d.bit_length() - 1 if first == "highest" else (d & -d).bit_length() - 1)
        return {"y": index, "valid": int(d != 0)}

    return Circuit(
        name="priority_encoder",
        headlines=(
            article(f"{width}-bit priority encoder"),
            article(f"priority encoder for {width} inputs"),
            article(f"{width}-to-{size} priority encoder"),
            article(f"priority encoder with {width} request lines"),
        ),
        inputs=(inp("d", width),),
        outputs=(outp("y", size), *((outp("valid"),) if valid else ())),
        registers=frozenset({"y"}),
        body=f"""    integer i;
    always @(*) begin
        y = {size}'d0;
        {order}
            if (d[i])
                y = i;
    end"""
        + ("\n    assign valid = |d;" if valid else ""),
        model=Combinational(function),
        facts=(
            Fact(
                (f"priority to the {first} bit (0 when no bit is set)",),
                (
                    f"The {first} set bit of {{d}} wins; {{y}} is 0 when no bit is set.",
                    f"{{y}} is the index of the {first} set bit, or 0.",
                ),
            ),
            *(
                (
                    Fact(
                        ("a valid output", "valid flag"),
                        ("{valid} is 1 when any input bit is set.", "{valid} says that {d} is not 0."),
                    ),
                )
                if valid
                else ()
            ),
        ),
        roles={"d": "requests", "y": f"index of the {first} set bit", "valid": "some bit is set"},
    )


FAMILIES = (
    Family("mux", "multiplexers", "easy", "combinational", {"ways": (2, 4, 8), "width": range(1, 33)}, mux),
    Family("demux", "demultiplexers", "easy", "combinational", {"ways": (2, 4), "width": range(1, 17)}, demux),
    Family(
        "decoder", "decoders", "easy", "combinational",
        {"size": (2, 3, 4, 5), "enable": (False, True), "level": ("high", "low")}, decoder,
    ),
    Family(
        "priority_encoder", "encoders", "medium", "combinational",
        {"width": range(4, 33), "first": ("highest", "lowest"), "valid": (False, True)}, priority_encoder,
    ),
)  # fmt: skip
