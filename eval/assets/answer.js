"use strict";
// The panel of one answer: the verdict's evidence first, then the question and the answer side by side.

const words = (name) => name.replaceAll("_", " ");
const statusLabel = (status) => element("span", { class: `status s-${status}` }, words(status));
const block = (title, ...children) => element("section", { class: "block" }, ...(title ? [element("h3", {}, title)] : []), ...children);
const folded = (title, text, open) => block("", element("details", open ? { open: "" } : {}, element("summary", {}, title), element("pre", {}, text)));

function summaryOf(answer) {
  const parts = [];
  if (answer.mismatches !== null && answer.samples) parts.push(`${answer.mismatches} of ${answer.samples} samples differ`);
  else if (answer.why && !answer.diagnostics.length) parts.push(answer.why);
  parts.push(`decided at the stage ${answer.stage}`, `${answer.seconds.toFixed(2)} s`);
  return parts.join(" · ");
}

/** Fill the dialog with an answer; ``siblings`` are all answers to its problem, ``go`` opens the next or the one before. */
function showAnswer(dialog, problem, answer, siblings, link, go) {
  const squares = element("span", { class: "squares" }, ...siblings.map((other) => square(other, link(other), other === answer)));
  const head = element("header", { class: "bar-top" },
    element("h2", { id: "answer-title" }, problem.id),
    statusLabel(answer.status),
    element("span", { class: "soft" }, `answer ${answer.index}`),
    siblings.length > 1 ? squares : "",
    element("span", { class: "buttons" },
      element("button", { type: "button", class: "plain", title: "K", onclick: () => go(-1) }, "Previous"),
      element("button", { type: "button", class: "plain", title: "J", onclick: () => go(1) }, "Next"),
      element("button", { type: "button", class: "plain", title: "Esc", onclick: () => dialog.close() }, "Close")),
    element("p", { class: "summary" }, summaryOf(answer)));
  const body = element("div", { class: "body", tabindex: "-1" });
  dialog.replaceChildren(head, body);
  if (answer.wave) appendWave(body, answer.wave);
  else if (answer.status === "mismatch") body.append(waveElsewhere(siblings, link));
  if (answer.diagnostics.length) body.append(diagnosticsView(answer.diagnostics, body));
  const code = answer.code ? sourceView(answer.code, answer.diagnostics) : element("p", { class: "soft" }, "No Verilog was found in this answer.");
  body.append(element("div", { class: "side" },
    element("div", { class: "stack" },
      block("Specification", element("div", { class: "spec" }, problem.spec)),
      problem.interface ? block("Header it must have", sourceView(problem.interface, [], false)) : ""),
    element("div", { class: "stack" }, block("Code", code))));
  body.append(folded("Simulation log", answer.log || "(empty)", answer.status !== "pass" && answer.log.length > 0));
  body.append(answer.raw === null ? block("", element("p", { class: "soft" }, "The answer was this code and nothing else.")) : folded("Raw answer", answer.raw, false));
}

/** All diagnostics, each a way to its line. */
function diagnosticsView(diagnostics, body) {
  return block("Diagnostics", ...diagnostics.map((item) => {
    const made = message(item, true);
    const line = () => body.querySelector(`[data-line="${item.line}"]`);
    if (item.line) made.append(" ", element("button", { type: "button", class: "why", onclick: () => line()?.scrollIntoView({ block: "center" }) }, "show"));
    return made;
  }));
}

function appendWave(body, wave) {
  const holder = block("");
  body.append(holder);
  const { head, view, fit } = waveformView(wave);
  const said = wave.mismatch === null
    ? "this bench does not say where expected and got differ; the start is shown"
    : Object.entries(wave.differences).map(([name, time]) => time === null ? `${name} agrees here` : `${name} differs from ${timeText(time, wave)}`).join(" · ");
  const more = wave.left_out ? ` · ${wave.left_out} more signals are not shown` : "";
  holder.append(element("div", { class: "wave-head" }, element("h3", {}, "Waveform around the first mismatch"), element("span", { class: "soft" }, said + more), head), view);
  fit();
}

function waveElsewhere(siblings, link) {
  const drawn = siblings.find((other) => other.wave);
  const text = "One waveform is drawn for each problem";
  if (!drawn) return block("Waveform", element("p", { class: "soft" }, "No waveform was drawn for this answer."));
  return block("Waveform", element("p", { class: "soft" }, `${text}: `, element("a", { href: link(drawn) }, `see answer ${drawn.index}`), "."));
}

const GLYPHS = { pass: "✓", mismatch: "≠", syntax_error: "S", elaboration_error: "E", runtime_error: "R", timeout: "T", no_result: "?", forbidden: "!", no_code: "–" };

function square(answer, href, current) {
  const name = `answer ${answer.index}: ${words(answer.status)}`;
  return element("a", { class: `square s-${answer.status}`, href, title: answer.why ? `${name} (${answer.why})` : name, "aria-label": name, "aria-current": current ? "true" : null }, GLYPHS[answer.status] || "?");
}
