"use strict";
// A waveform as SVG: what goes into a design, what is expected and what it gives.

const ROW = 30, AXIS = 40, HIGH = 7, LOW = 23, SLANT = 3;

/** The value at a time; changes ascend, and the first is at the window's start. */
function valueAt(changes, time) {
  let value = changes[0][1];
  for (const [at, next] of changes) {
    if (at > time) break;
    value = next;
  }
  return value;
}

function shownValue(bits, radix) {
  if (bits.length === 1 || radix === "bin") return bits;
  if (radix === "dec") return /[xz]/.test(bits) ? shownValue(bits, "hex") : BigInt(`0b${bits}`).toString();
  const padded = bits.padStart(Math.ceil(bits.length / 4) * 4, bits[0] === "x" || bits[0] === "z" ? bits[0] : "0");
  // A digit of which only some bits are known is a capital, as simulators print it.
  return padded.match(/.{4}/g).map((four) =>
    /^x+$/.test(four) ? "x" : /^z+$/.test(four) ? "z" : four.includes("x") ? "X" : four.includes("z") ? "Z" :
    parseInt(four, 2).toString(16)).join("");
}

const stateOf = (bits) => (bits.includes("x") ? "unknown" : /^z+$/.test(bits) ? "floating" : "");

/** Spans [from, to) of the window where a value that is expected is not given. */
function differenceSpans(expected, got, end) {
  const times = [...new Set([...expected.changes, ...got.changes].map(([time]) => time))].sort((a, b) => a - b);
  const spans = [];
  times.forEach((time, i) => {
    const want = valueAt(expected.changes, time), have = valueAt(got.changes, time);
    if ([...want].some((bit, j) => bit !== "x" && bit !== have[j])) spans.push([time, i + 1 < times.length ? times[i + 1] : end]);
  });
  return spans;
}

// What the two sides of a comparison are called, and where they first differ.
const SAID = { expected: "expected", got: "got", first: "first mismatch" };

/** Rows in the order of the record, each with its part in a comparison. */
function waveRows(wave, said) {
  const byName = new Map(wave.signals.map((signal) => [signal.name, signal]));
  return wave.signals.map((signal) => {
    const suffix = signal.name.slice(-4), base = signal.name.slice(0, -4);
    const paired = (suffix === "_ref" || suffix === "_dut") && byName.has(base + "_ref") && byName.has(base + "_dut");
    const bus = signal.bits || (signal.width > 1 ? ` (${signal.width} bits)` : "");
    if (!paired) return { signal, label: signal.name + bus, kind: "in", role: "" };
    const first = wave.differences[base];
    if (suffix === "_ref") return { signal, label: base + bus, kind: "expected", role: said.expected };
    const differs = first !== null && first !== undefined;
    return { signal, label: base + bus, expected: byName.get(base + "_ref"), kind: `got pair-end${differs ? " differs" : ""}`, role: differs ? `${said.got}, differs` : said.got };
  });
}

function timeText(time, wave) {
  const [, magnitude, unit] = wave.timescale.match(/^(\d+) (\w+)$/) || [0, 1, ""];
  return `${time * magnitude} ${unit}`;
}

/** ``fit`` draws it as wide as its place; the view must be in the document by then. */
function waveformView(wave, said = SAID) {
  const rows = waveRows(wave, said);
  let radix = "hex";
  const span = Math.max(1, wave.end - wave.start);
  const steps = new Set(rows.flatMap(({ signal }) => signal.changes.map(([time]) => time))).size;
  let width = 600;
  const x = (time) => ((time - wave.start) / span) * (width - 16) + 8;
  const height = AXIS + rows.length * ROW;
  const svg = shape("svg", { role: "img", tabindex: "0",
    "aria-label": wave.mismatch === null ? "waveform" : `waveform, ${said.first} at ${timeText(wave.mismatch, wave)}` });
  const cursor = shape("line", { class: "cursor", y1: AXIS - 8, y2: height });
  const names = element("div", { class: "wave-names" });
  const cells = [];

  function draw() {
    svg.replaceChildren(...axis(wave, x, width, height));
    rows.forEach((row, i) => svg.append(traceRow(row, wave, x, AXIS + i * ROW, radix)));
    if (wave.mismatch !== null && wave.mismatch >= wave.start && wave.mismatch <= wave.end) svg.append(marker(wave, x, width, height, said));
    svg.append(cursor);
  }

  function moveTo(time) {
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
    names.firstChild.firstChild.textContent = `at ${timeText(time, wave)}`;
    rows.forEach((row, i) => {
      const value = valueAt(row.signal.changes, time);
      const text = shownValue(value, radix);
      cells[i].textContent = text;
      cells[i].title = text;
      const wrong = row.expected && [...valueAt(row.expected.changes, time)].some((bit, j) => bit !== "x" && bit !== value[j]);
      cells[i].parentNode.classList.toggle("wrong", Boolean(wrong));
    });
    now = time;
  }

  const times = [...new Set(rows.flatMap(({ signal }) => signal.changes.map(([time]) => time)))].sort((a, b) => a - b);
  const home = wave.mismatch !== null ? wave.mismatch : wave.start;
  let now = home;
  names.append(element("div", { class: "wave-axis" }, element("span")));
  names.firstChild.style.height = `${AXIS - 1}px`;
  for (const row of rows) {
    const cell = element("span", { class: "now" });
    cells.push(cell);
    names.append(element("div", { class: row.kind }, element("span", { title: row.signal.name }, row.label), element("span", { class: "role" }, row.role), cell));
  }
  svg.addEventListener("pointermove", (event) => {
    const at = wave.start + ((event.offsetX - 8) / (width - 16)) * span;
    moveTo(Math.round(Math.min(wave.end, Math.max(wave.start, at))));
  });
  svg.addEventListener("pointerleave", () => moveTo(home));
  svg.addEventListener("keydown", (event) => {
    const next = event.key === "ArrowRight" ? times.find((time) => time > now) : event.key === "ArrowLeft" ? times.findLast((time) => time < now) : undefined;
    if (next === undefined) return;
    event.preventDefault();
    moveTo(next);
  });
  const choice = element("select", { "aria-label": "Radix of values", onchange: () => { radix = choice.value; draw(); moveTo(now); } },
    ...["hex", "bin", "dec"].map((name) => element("option", { value: name }, name)));
  const scroll = element("div", { class: "wave-scroll" }, svg);
  return { head: choice, view: element("div", { class: "wave" }, names, scroll), fit };

  function fit() {
    width = Math.max(scroll.clientWidth, Math.min(6000, steps * 34));
    for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) svg.setAttribute(name, value);
    draw();
    moveTo(home);
    scroll.scrollLeft = x(home) - scroll.clientWidth * 0.4;
  }
}

function axis(wave, x, width, height) {
  const span = wave.end - wave.start, wanted = Math.max(2, Math.floor(width / 90));
  const rough = span / wanted, power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) || power * 10);
  const made = [];
  for (let time = Math.ceil(wave.start / step) * step; time <= wave.end; time += step) {
    made.push(shape("line", { class: "grid", x1: x(time), x2: x(time), y1: AXIS - 6, y2: height }));
    made.push(shape("text", { class: "tick", x: x(time) + 3, y: AXIS - 5 }, String(time)));
  }
  return made;
}

function marker(wave, x, width, height, said) {
  const at = x(wave.mismatch), label = `${said.first}, ${timeText(wave.mismatch, wave)}`;
  const left = at > width - 200;
  return shape("g", { class: "first-mismatch", "data-time": wave.mismatch },
    shape("line", { x1: at, x2: at, y1: 3, y2: height }),
    shape("text", { x: left ? at - 6 : at + 6, y: 14, "text-anchor": left ? "end" : "start" }, label));
}

function traceRow(row, wave, x, top, radix) {
  const { signal } = row;
  const group = shape("g", { class: row.kind, transform: `translate(0 ${top})`, "data-signal": signal.name });
  group.append(shape("line", { class: "grid", x1: x(wave.start), x2: x(wave.end), y1: 0, y2: 0 }));
  if (row.expected) {
    for (const [from, to] of differenceSpans(row.expected, signal, wave.end)) {
      group.append(shape("rect", { class: "difference", x: x(from), y: 1, width: Math.max(1.5, x(to) - x(from)), height: ROW - 2 }));
    }
  }
  signal.changes.forEach(([time, value], i) => {
    const from = x(time), to = x(i + 1 < signal.changes.length ? signal.changes[i + 1][0] : wave.end);
    const before = i ? signal.changes[i - 1][1] : null;
    if (signal.width === 1) group.append(bitShape(value, before, from, to));
    else group.append(...busShape(value, i > 0, from, to, shownValue(value, radix)));
  });
  return group;
}

function bitShape(value, before, from, to) {
  const level = (bit) => (bit === "1" ? HIGH : bit === "0" ? LOW : (HIGH + LOW) / 2);
  if (value === "x") return shape("rect", { class: "line unknown", x: from, y: HIGH, width: Math.max(1, to - from), height: LOW - HIGH });
  const edge = before === null ? "" : before === "x" ? `M${from} ${HIGH}V${LOW}` : `M${from} ${level(before)}V${level(value)}`;
  return shape("path", { class: `line ${value === "z" ? "floating" : ""}`, d: `${edge}M${from} ${level(value)}H${to}` });
}

function busShape(value, slanted, from, to, text) {
  const middle = (HIGH + LOW) / 2, cut = Math.min(SLANT, (to - from) / 2), start = slanted ? cut : 0;
  const state = stateOf(value);
  const left = slanted ? `M${from + start} ${HIGH}L${from} ${middle}L${from + start} ${LOW}` : `M${from} ${HIGH}M${from} ${LOW}`;
  const outline = state === "floating" ? `M${from} ${middle}H${to}` :
    `M${from + start} ${HIGH}H${to - cut}L${to} ${middle}L${to - cut} ${LOW}H${from + start}${slanted ? `L${from} ${middle}Z` : ""}`;
  const made = [shape("path", { class: `line ${state}`, d: outline || left })];
  const fits = Math.floor((to - from - 8) / 6.7);
  if (fits >= 1) {
    const shown = text.length <= fits ? text : fits >= 3 ? `${text.slice(0, fits - 1)}…` : "";
    const label = shape("text", { class: `value ${state}`, x: (from + to) / 2, y: middle + 4 }, shown);
    label.append(shape("title", {}, text));
    if (shown) made.push(label);
  }
  return made;
}
