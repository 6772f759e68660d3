"use strict";
// Elements made of text alone: nothing that a model wrote is ever read as HTML.

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function shape(name, properties = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const KEYWORDS = new Set(
  ("always always_comb always_ff always_latch and assign automatic begin bit buf case casex casez default defparam disable " +
   "edge else end endcase endfunction endgenerate endmodule endtask enum event for forever function generate genvar if " +
   "initial inout input int integer localparam logic module nand negedge nor not or output packed parameter posedge real " +
   "reg repeat return signed struct task time tri typedef unique unsigned wait while wire xnor xor").split(" "));
const TOKEN = /(\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|("(?:\\[\s\S]|[^"\\\n])*"?)|(`[A-Za-z_]\w*|\$[A-Za-z_]\w*)|(\d*\s?'s?[bodhBODH]\s?[\w?]+|\b\d[\d_.]*\b)|([A-Za-z_][\w$]*)/g;
const KINDS = ["comment", "string", "directive", "number", "word"];

/** The lines of Verilog text, each a list of [class, text]. */
function colouredLines(text) {
  const lines = [[]];
  const put = (kind, part) => part.split("\n").forEach((piece, i) => {
    if (i) lines.push([]);
    if (piece) lines[lines.length - 1].push([kind, piece]);
  });
  let done = 0;
  for (const match of text.matchAll(TOKEN)) {
    put("", text.slice(done, match.index));
    let kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)];
    if (kind === "word") kind = KEYWORDS.has(match[0]) ? "keyword" : "";
    put(kind, match[0]);
    done = match.index + match[0].length;
  }
  put("", text.slice(done));
  return lines;
}

/** Code with its line numbers, and every diagnostic below the line that it is about. */
function sourceView(code, diagnostics, numbered = true) {
  const view = element("div", { class: numbered ? "source" : "source plain-lines" });
  const lines = colouredLines(code.replace(/\n$/, ""));
  const placed = new Map();
  for (const item of diagnostics) {
    if (item.line && item.line <= lines.length) placed.set(item.line, [...(placed.get(item.line) || []), item]);
  }
  lines.forEach((parts, i) => {
    const found = placed.get(i + 1) || [];
    const worst = found.some((item) => item.severity === "error") ? "error" : found.length ? lineClass(found[0]) : "";
    const text = element("span", { class: "text" });
    for (const [kind, part] of parts) text.append(kind ? element("span", { class: `t-${kind}` }, part) : part);
    const number = numbered ? [element("span", { class: "no" }, String(i + 1))] : [];
    view.append(element("div", { class: `row ${worst}`, "data-line": numbered ? i + 1 : null }, ...number, text));
    for (const item of found) view.append(message(item, false));
  });
  return view;
}

const lineClass = (item) => (item.severity === "note" ? "note-line" : item.severity);

/** A diagnostic; one that stands free of its line names it. */
function message(item, free) {
  const parts = [free && item.line && `line ${item.line}`, item.column && `column ${item.column}`].filter(Boolean);
  const place = parts.length ? `${parts.join(", ")}: ` : "";
  const made = element("div", { class: `message ${lineClass(item)} ${free ? "free" : ""}` }, place + item.message);
  if (item.code) made.append(element("span", { class: "code" }, item.code));
  return made;
}
