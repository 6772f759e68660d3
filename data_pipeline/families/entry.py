"""Families of machines that people feed step by step: coin machines and code locks."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Values,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    reset_fact,
    vec,
)

_COINS = {"1-2-5": (1, 2, 5), "5-10-25": (5, 10, 25), "2-5-10": (2, 5, 10), "5-10-20": (5, 10, 20)}


def coin_machine(coins: str, more: int, policy: str, reset: str) -> Circuit:
    """The price is ``more`` of the smallest coin above the largest coin; ``policy`` is what becomes of an excess."""
    chosen = RESETS[reset]
    values = _COINS[coins]
    price = values[-1] + more * values[0]
    most = price - 1 + values[-1]
    size = most.bit_length()
    excess = (values[-1] - 1).bit_length()
    cases = [f"            2'd{code}: worth = {size}'d{value};" for code, value in enumerate(values, 1)]
    body = f"    reg {vec(size)}credit;\n    reg {vec(size)}worth;\n    wire {vec(size)}paid;\n"
    body += "    always @(*) begin\n        case (coin)\n" + "\n".join(cases)
    body += f"\n            default: worth = {size}'d0;\n        endcase\n    end\n    assign paid = credit + worth;\n"
    left = f"paid - {size}'d{price}" if policy == "keep" else f"{size}'d0"
    reset_lines = [f"credit <= {size}'d0;", "vend <= 1'b0;"]
    lines = [f"vend <= (paid >= {size}'d{price});", f"credit <= (paid >= {size}'d{price}) ? {left} : paid;"]
    if policy == "change":
        reset_lines.append(f"change <= {excess}'d0;")
        lines.append(f"change <= (paid >= {size}'d{price}) ? paid - {size}'d{price} : {excess}'d0;")
    body += always_clocked(lines, chosen, reset_lines)

    def step(state: tuple[int, int, int] | None, v: Values) -> tuple[int, int, int] | None:
        if state is None:
            return None
        paid = state[0] + (0, *values)[v["coin"]]
        if paid < price:
            return paid, 0, 0
        return (paid - price if policy == "keep" else 0), 1, (paid - price if policy == "change" else 0)

    listed = ", ".join(f"{code} a coin of {value}" for code, value in enumerate(values, 1))
    return Circuit(
        name="coin_machine",
        headlines=(
            f"a ticket machine that sells at a price of {price}",
            f"the controller of a coin machine whose goods cost {price}",
            f"a coin-operated dispenser that asks {price} for an item",
            f"a machine that takes coins and sells one item for {price}",
        ),
        inputs=(*controls(chosen), inp("coin", 2)),
        outputs=(outp("vend"), *((outp("change", excess),) if policy == "change" else ())),
        registers=frozenset({"vend", "change"}) if policy == "change" else frozenset({"vend"}),
        body=body,
        model=Clocked((0, 0, 0), step, lambda s, v: {"vend": s[1], "change": s[2]}),
        facts=(
            _coin_machine_fact(listed),
            _coin_machine_fact2(price),
            _excess(policy, excess),
            *reset_fact(chosen, "clears the credit and the outputs"),
        ),
        reset=chosen,
        roles={"coin": "coin inserted", "vend": "item sold", "change": "money to give back"},
        cycles=150,
    )  # fmt: skip


def _coin_machine_fact2(price: int) -> Fact:
    return Fact(
        (),
        (
            f"Coins add up to a credit. At the edge at which credit and coin together reach {price}, the registered "
            "output {vend} becomes 1, for one cycle unless the next edge sells again.",
            f"At each edge the coin is added to the credit; if the sum is at least {price}, {{vend}} is 1 after this "
            "edge, otherwise 0.",
            f"{{vend}} is a register: after an edge it is 1 if credit plus coin was {price} or more, and 0 if not.",
        ),
    )


def _coin_machine_fact(listed: str) -> Fact:
    return Fact(
        (),
        (
            f"{{coin}} (2 bits) is the coin of this cycle: 0 is none, {listed}.",
            f"One coin may come at every rising clock edge; the 2-bit input {{coin}} tells it: 0 is none, {listed}.",
        ),
    )


def _excess(policy: str, size: int) -> Fact:
    if policy == "keep":
        return Fact(
            (),
            (
                "A sale takes the price off the credit; the rest stays as credit.",
                "What was paid too much remains as credit for the next sale.",
            ),
        )
    if policy == "lose":
        return Fact(
            (),
            (
                "A sale sets the credit to 0; what was paid too much is lost.",
                "After a sale the credit is 0: no change is given and no excess is kept.",
            ),
        )
    return Fact(
        (),
        (
            f"A sale sets the credit to 0; the {size}-bit register {{change}} then holds what was paid too much while {{vend}} is 1, and 0 at other times.",
            f"What was paid too much is given back: {{change}}, a register of {size} bits, shows it together with {{vend}} and is 0 otherwise; the credit is then 0.",
        ),
    )


def code_lock(code: str, wrong: str, closing: str, reset: str) -> Circuit:
    """``wrong`` is what a wrong symbol does, ``closing`` what ends the open state."""
    chosen = RESETS[reset]
    length = len(code)
    size = length.bit_length()
    symbols = [int(symbol) for symbol in code]
    first = f"{size}'d1" if wrong == "first" else f"{size}'d0"
    cases = []
    for place, symbol in enumerate(symbols):
        back = f"(key == 2'd{symbols[0]}) ? {first} : {size}'d0" if wrong == "first" and place else f"{size}'d0"
        cases.append(f"    {size}'d{place}: place <= (key == 2'd{symbol}) ? {size}'d{place + 1} : {back};")
    cases.append(f"    default: place <= {'place' if closing == 'lock' else f'{size}{chr(39)}d0'};")
    lines = ["case (place)", *cases, "endcase"]
    if closing == "lock":
        lines = ["if (lock)", f"    place <= {size}'d0;", "else if (press) begin", *(f"    {x}" for x in lines), "end"]
    block = always_clocked(lines, chosen, [f"place <= {size}'d0;"], enable=None if closing == "lock" else "press")
    body = f"    reg {vec(size)}place;\n{block}\n    assign unlocked = (place == {size}'d{length});"

    def step(place: int | None, v: Values) -> int | None:
        if closing == "lock" and v["lock"]:
            return 0
        if place is None or not v["press"]:
            return place
        if place == length:
            return place if closing == "lock" else 0
        if v["key"] == symbols[place]:
            return place + 1
        return int(wrong == "first" and v["key"] == symbols[0])

    shown = ", ".join(code)
    return Circuit(
        name="code_lock",
        headlines=(f"a lock that opens on the code {shown}", f"an electronic lock whose code is {shown}",
                   article(f"code lock for the sequence {shown}"), f"a keypad lock that opens after the keys {shown}"),
        inputs=(*controls(chosen), inp("press"), inp("key", 2), *((inp("lock"),) if closing == "lock" else ())),
        outputs=(outp("unlocked"),),
        body=body,
        model=Clocked(0, step, lambda place, v: {"unlocked": int(place == length)}),
        facts=(_KEYS, _wrong_key(wrong, symbols[0]), _CLOSING[closing], *reset_fact(chosen, "closes the lock and forgets all keys")),
        reset=chosen,
        roles={"press": "key pressed", "key": "number of the key", "lock": "close the lock", "unlocked": "open"},
        busy={"lock": 0.02},
        stimulus=lambda rng: _attempts(symbols, rng),
        cycles=380,
    )  # fmt: skip


def _attempts(symbols: list[int], rng: random.Random) -> Iterator[Values]:
    """Codes with a wrong key and right ones in turn, with pauses between the keys.

    A reset comes most likely when a code was right; what follows is the code again or only the end of it, which tells a
    wrong reset state.
    """
    length = len(symbols)
    yield from ({"press": 0} for _ in range(3))
    for round_number in itertools.count(rng.randrange(60)):
        # In turn every key of the code is wrong, and then goes on as if it had been right or had been the first.
        at, kind = round_number % length, round_number // length % 3
        other = rng.choice([key for key in range(4) if key not in (symbols[at], symbols[0])])
        wrong = symbols[:at] + ([symbols[0]] if kind == 0 else [other]) + symbols[at + 1 if kind == 2 else 1 :]
        after = symbols if rng.random() < 0.5 else symbols[1 + round_number % (length - 1) :]
        for keys in (after, wrong, symbols):
            for key in keys:
                while rng.random() < 0.15:
                    yield {"press": 0}
                yield {"press": 1, "key": key}
            if rng.random() < 0.5:
                yield {"press": int(rng.random() < 0.5)}
            yield {"lock": int(rng.random() < 0.6)}


_KEYS = Fact(
    (),
    (
        "At each rising clock edge with {press} high, the 2-bit {key} is taken as the next key; {unlocked} is 1 from the edge that takes the last one.",
        "{press} marks a key at a clock edge, and {key} (2 bits) is its number; the last right key makes {unlocked} 1 at its edge.",
    ),
)


def _wrong_key(wrong: str, first: int) -> Fact:
    if wrong == "restart":
        return Fact(
            (),
            (
                f"A wrong key means that the whole code has to be entered again; it never counts as its first key, even if it is {first}.",
                f"Any wrong key restarts the code from scratch: the key after it is compared with the first one, {first}.",
            ),
        )
    return Fact(
        (),
        (
            f"A wrong key restarts the code; if it is {first}, it counts as the first key of a new attempt.",
            f"After a wrong key the code begins anew, the wrong key itself counting as the first when it is {first}; nothing else of the earlier keys counts.",
        ),
    )


_CLOSING = {
    "next": Fact(
        (),
        (
            "The next key closes the lock ({unlocked} is 0 again) and counts for nothing else.",
            "It stays open until one more key is pressed; that key only closes it and is not part of a new code.",
        ),
    ),
    "lock": Fact(
        (),
        (
            "{lock} at a clock edge closes the lock and forgets the keys so far, with priority over {press}; keys are ignored while it is open.",
            "While open it ignores keys; {lock} = 1 at an edge, open or not, closes it and restarts the code, whatever {press} is.",
        ),
    ),
}


FAMILIES = (
    Family(
        "coin_machine", "coin machines", "medium", "sequential",
        {"coins": tuple(_COINS), "more": (1, 3, 4), "policy": ("keep", "lose", "change"), "reset": WITH_RESET}, coin_machine,
    ),
    Family(
        "code_lock", "code locks", "medium", "sequential",
        {"code": ("213", "0312", "3021", "130", "2203", "10231", "3313", "01320"), "wrong": ("restart", "first"),
         "closing": ("next", "lock"), "reset": WITH_RESET},
        code_lock,
    ),
)  # fmt: skip
