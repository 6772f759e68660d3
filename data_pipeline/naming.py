"""Names that people give to modules and ports, drawn from a seed.

Reads a ``Circuit``; writes nothing.
"""

from __future__ import annotations

import random

from data_pipeline.circuit import Circuit

# Other names for the canonical ports, those of a numbered group (y0, y1) without the number. A body uses no other name
# of its own ports as an internal name (tested).
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "clk": ("clock", "i_clk", "CLK", "sys_clk", "clk_in"),
    "rst": ("reset", "i_rst", "RST", "reset_i"),
    "rst_n": ("reset_n", "resetn", "nrst", "rstn", "RST_N"),
    "en": ("enable", "ce", "ena", "i_en", "EN"),
    "a": ("in_a", "x", "op1", "A", "lhs", "src"),
    "x": ("w", "din", "bit_in"),
    "b": ("in_b", "z", "op2", "B", "rhs"),
    "y": ("out", "f", "res", "Y", "o", "dout", "result"),
    "d": ("din", "data_in", "D", "data", "i_data", "value"),
    "q": ("out", "Q", "dout", "o_q", "cnt", "result"),
    "sel": ("s", "select", "S", "choice"),
    "sum": ("s", "total", "out", "S"),
    "cin": ("carry_in", "ci", "Cin"),
    "cout": ("carry_out", "co", "Cout"),
    "op": ("opcode", "mode", "func", "ctrl"),
    "din": ("serial_in", "sin", "x", "w", "bit_in"),
    "dout": ("serial_out", "sout", "z", "out"),
    "found": ("detected", "match", "z", "hit", "out"),
    "pulse": ("edge_out", "tick", "p", "detected"),
    "clk_out": ("clk_div", "clock_out", "out_clk"),
    "up": ("dir", "up_down", "inc"),
    "load": ("ld", "load_en", "preset"),
    "n": ("ones", "out", "cnt", "total"),
    "p": ("parity", "par", "out"),
    "bin": ("binary", "b", "number_in"),
    "gray": ("g", "gray_code", "out"),
    "valid": ("v", "any", "vld"),
    "zero": ("zero_flag", "is_zero", "zf"),
    "amount": ("shamt", "n", "shift", "count"),
    "acc": ("accu", "total", "acc_out"),
    "sat": ("saturated", "clipped", "limited"),
    "clear": ("clr", "zeroize"),
    "restart": ("first", "begin_new"),
    "trig": ("trigger", "fire", "go_in"),
    "kick": ("feed", "pet", "alive"),
    "alarm": ("expired", "bark", "wdt_out"),
    "noisy": ("button", "raw_in", "btn"),
    "clean": ("filtered", "stable", "btn_out"),
    "tick": ("strobe", "pulse_out", "ce_out"),
    "level": ("temp", "reading", "measured"),
    "evt": ("hit", "ev", "event_in"),
    "vend": ("dispense", "release_item"),
    "coin": ("coin_in", "coin_code"),
    "unlocked": ("opened", "unlock"),
    "lights": ("lamps", "leds"),
    "ack": ("acknowledge", "acked"),
    "done": ("finished", "completed"),
    "in_valid": ("valid_in", "s_valid", "i_valid"),
    "in_data": ("data_in", "s_data", "i_data"),
    "in_ready": ("s_ready", "rdy_up"),
    "out_valid": ("valid_out", "m_valid", "o_valid"),
    "out_data": ("data_out", "m_data", "o_data"),
    "out_ready": ("m_ready", "rdy_down"),
    "stall": ("freeze", "hold_all"),
    "req": ("request", "rq", "reqs"),
    "grant": ("gnt", "granted", "grants"),
    "product": ("prod", "result", "out"),
    "tx": ("txd", "serial_line", "tx_line"),
    "rx": ("rxd", "rx_line"),
    "cs_n": ("ss_n", "csn", "nss"),
    "sclk": ("sck", "spi_clk"),
    "mosi": ("sdata", "spi_mosi"),
    "error": ("err", "bad"),
    "sync": ("frame_start", "sof"),
    "parity_bit": ("par", "parity", "frame_parity"),
    "ready": ("rdy", "takes"),
    "we": ("wr_en", "write_en", "wen"),
    "addr": ("address", "adr", "index"),
    "waddr": ("write_addr", "wr_addr", "wa"),
    "wdata": ("write_data", "wr_data", "wd"),
    "raddr": ("read_addr", "rd_addr", "ra"),
    "rdata": ("read_data", "rd_data", "rd"),
    "wr_en": ("write", "wr", "put"),
    "rd_en": ("read", "rd", "get"),
    "full": ("is_full", "full_flag"),
    "empty": ("is_empty", "empty_flag"),
    "used": ("count", "occupancy", "n_words"),
    "push": ("push_en", "store"),
    "pop": ("pop_en", "unstack"),
    "seg": ("segments", "segs", "leds_out"),
    "lamp_test": ("lt", "test_all"),
    "blank": ("blanking", "dark"),
    "bcd": ("digits_out", "bcd_out", "decimal"),
    "count": ("cnt", "number", "num"),
    "code": ("codeword", "word_out", "encoded"),
    "pos": ("position", "offset", "lsb"),
    "first": ("from_bit", "lo_index"),
    "last": ("to_bit", "hi_index"),
    "length": ("len", "n_bits"),
    "swap": ("swap_en", "do_swap"),
    "half": ("word", "part"),
    "in": ("d", "x", "data"),
    "right": ("to_right", "dir_right"),
    "crc": ("crc_reg", "checksum", "remainder"),
    "crc_in": ("crc_old", "c_in"),
    "crc_out": ("crc_new", "c_out"),
    "mode": ("sel", "op", "ctl"),
    "lsb_in": ("sin_lsb", "serial_low"),
    "msb_in": ("sin_msb", "serial_high"),
    "neg": ("negate", "invert_sign"),
    "ovf": ("overflow", "v_flag"),
    "sub": ("subtract", "minus"),
    "wrapped": ("wrap", "reduced"),
}
# Names that tell how a reset works; never given to one that works otherwise.
_RESET_SYNONYMS: dict[tuple[str, bool], tuple[str, ...]] = {
    ("rst", False): ("srst", "sync_rst"),
    ("rst", True): ("areset", "arst"),
    ("rst_n", False): ("srst_n", "sync_rst_n"),
    ("rst_n", True): ("aresetn", "arst_n"),
}
_MODULE_WORDS = (
    "my", "fast", "core", "unit", "top", "block", "u", "simple", "main", "basic", "rtl", "ip", "dut", "soc", "lab",
    "test", "demo", "chip", "stage", "node", "part", "new", "old", "left", "right", "small", "big", "alpha", "beta",
    "zeta", "inner", "outer", "north", "south", "red", "blue", "hw", "io", "bus", "path", "prim", "wrap",
)  # fmt: skip


def module_name(circuit: Circuit, rng: random.Random) -> str:
    """A name for the module, often one that says nothing about it."""
    draw = rng.random()
    if draw < 0.25:
        return "top_module"
    if draw < 0.45:
        return circuit.name
    if draw < 0.55:
        return "TopModule"
    if draw < 0.7:
        return f"{circuit.name}_{rng.choice((*_MODULE_WORDS, str(rng.randrange(100))))}"
    if draw < 0.85:
        return f"{rng.choice(_MODULE_WORDS)}_{rng.choice(_MODULE_WORDS)}{rng.choice(('', str(rng.randrange(1000))))}"
    return f"{rng.choice(_MODULE_WORDS)}_{circuit.name}"


def port_names(circuit: Circuit, module: str, rng: random.Random) -> dict[str, str]:
    """Names for the ports of ``module``, all different and other than its own; about half of them the canonical ones.

    Numbered ports of one stem (``y0``, ``y1``) keep their numbers and are renamed together or not at all.
    """
    groups: dict[str, list[str]] = {}
    for port in circuit.ports:
        groups.setdefault(port.name.rstrip("0123456789"), []).append(port.name)
    canonical = {port.name for port in circuit.ports}
    names: dict[str, str] = {}
    for stem, group in groups.items():
        known = _SYNONYMS.get(stem, ())
        if circuit.reset and stem == circuit.reset.port:
            known += _RESET_SYNONYMS[stem, circuit.reset.asynchronous]
        elif stem != "clk" and rng.random() < 0.1:
            known = (
                f"{rng.choice(_MODULE_WORDS)}_{stem}",
                *((f"{stem}{rng.randrange(10)}",) if group == [stem] else ()),
            )
        taken = canonical.union(names.values(), [module])
        free = [s for s in known if taken.isdisjoint(name.replace(stem, s, 1) for name in group)]
        chosen = rng.choice(free) if free and rng.random() < 0.5 else stem
        names |= {name: name.replace(stem, chosen, 1) for name in group}
    return {port.name: names[port.name] for port in circuit.ports}
