"use strict";
// The form asks, and the answer is shown with its evidence. All texts of a model become text nodes, never HTML.

const order = document.getElementById("order");
const state = document.getElementById("state");
const clock = document.getElementById("clock");
const result = document.getElementById("result");
const write = document.getElementById("write");
const stop = document.getElementById("stop");
const NUMBERS = ["n", "temperature", "seed", "repair"];
let asking = null;

/** What the form asks for; a field that is left empty is not sent. */
function orderOf(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (value.trim()) body[name] = NUMBERS.includes(name) ? Number(value) : value;
  }
  return body;
}

function say(text, wrong) {
  state.textContent = text;
  state.classList.toggle("wrong", Boolean(wrong));
}

async function ask() {
  if (asking || !order.reportValidity()) return;
  const mine = asking = new AbortController();
  const started = performance.now();
  const ticking = setInterval(() => { clock.textContent = `${Math.round((performance.now() - started) / 1000)} s`; }, 500);
  write.disabled = true;
  stop.hidden = false;
  say("Writing and simulating…");
  try {
    const response = await fetch("/api/generate", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(orderOf(order)), signal: mine.signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    showResult(answer.view);
    say(answer.view.accepted ? "Done: the design is accepted." : "Done: no answer is accepted; the best is shown.", !answer.view.accepted);
  } catch (error) {
    say(mine.signal.aborted ? "Stopped." : error instanceof TypeError ? "The server cannot be reached." : error.message, !mine.signal.aborted);
  } finally {
    clearInterval(ticking);
    clock.textContent = "";
    write.disabled = false;
    stop.hidden = true;
    asking = null;
  }
}

order.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
order.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); } });
stop.addEventListener("click", () => { asking?.abort(); write.disabled = false; write.focus(); });

const seconds = (parts) => Object.entries(parts).map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
const wordOf = (one) => element("span", { class: `status s-${one.status}` }, one.word);
const numbers = (list) => `number ${list.join(", ")}`;

function showResult(view) {
  const chosen = view.candidates[view.chosen - 1];
  result.hidden = false;
  result.replaceChildren();
  result.append(summary(view, chosen));
  if (chosen.diagnostics.length) result.append(diagnosticsView(chosen.diagnostics, result));
  result.append(codeView(chosen));
  if (view.groups.length || view.not_driven.length) result.append(agreement(view));
  if (view.pictures.length) appendPictures(view.pictures);
  if (view.context.length || view.left_out.length) result.append(contextView(view));
  if (chosen.log) result.append(folded("Simulation log", chosen.log, chosen.status !== "pass"));
  result.append(answers(view.candidates));
}

function summary(view, chosen) {
  const checks = element("dl", { class: "checks" });
  for (const [name, text] of view.checks) checks.append(element("dt", {}, name), element("dd", {}, text));
  return block("",
    element("div", { class: "head" }, element("h2", {}, view.accepted ? "Accepted" : "Not accepted"), wordOf(chosen)),
    element("p", {}, view.choice), checks, element("p", { class: "soft" }, `seconds: ${seconds(view.seconds)}`));
}

function codeView(chosen) {
  if (chosen.code === null) {
    return block("Code", element("p", { class: "soft" }, "No Verilog was found in the answer, which is this:"), element("pre", {}, chosen.raw));
  }
  const copy = element("button", { type: "button", class: "plain", onclick: async () => {
    try {
      await navigator.clipboard.writeText(chosen.code);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed by the browser";
    }
  } }, "Copy");
  return block("", element("div", { class: "head" }, element("h3", {}, "Code"), copy), sourceView(chosen.code, chosen.diagnostics));
}

/** The groups of answers that do the same, the chosen one's first; why others were set aside, and where they differ. */
function agreement(view) {
  const made = block("How the answers agree");
  for (const group of view.groups) {
    const found = group.difference, chosen = group.numbers.includes(view.chosen);
    const does = chosen ? "chosen, the same" : found ? "something else" : "the same, but set aside";
    const about = element("div", { class: "group" }, element("p", {}, element("b", {}, numbers(group.numbers)), `: ${does}`));
    for (const reason of group.against) about.append(element("p", {}, `set aside: ${reason}`));
    if (found) {
      const inputs = found.inputs.map(([name, value]) => `${name}=${value}`).join(" ") || "no inputs";
      about.append(element("p", {}, `differs first at step ${found.step}, where the inputs are `, element("span", { class: "value-list" }, inputs), ":"));
      for (const [name, one, other] of found.outputs) {
        about.append(element("p", { class: "value-list" }, `${name} is ${other}, chosen ${one}`));
      }
    }
    made.append(about);
  }
  for (const { numbers: list, reason } of view.not_driven) {
    made.append(element("div", { class: "group" }, element("p", {}, element("b", {}, numbers(list)), `: not compared, ${reason}`)));
  }
  return made;
}

/** One waveform at a time; where several groups differ, a choice of which is beside the chosen design. */
function appendPictures(pictures) {
  const holder = block("");
  result.append(holder);
  const name = (picture) => (picture.other === null ? "alone" : `beside number ${picture.other + 1}`);
  const choice = element("select", { "aria-label": "Waveform to show", onchange: () => { draw(pictures[choice.value]); choice.focus(); } },
    ...pictures.map((picture, i) => element("option", { value: i }, `${name(picture)}${picture.step === null ? "" : `, step ${picture.step}`}`)));

  function draw(picture) {
    const other = picture.other === null ? "" : `no. ${picture.other + 1}`;
    const sides = picture.expected === "chosen" ? ["chosen", other] : [other, "chosen"];
    const { head, view, fit } = waveformView(picture.wave, { expected: sides[0], got: sides[1], first: "first difference" });
    const said = picture.other === null
      ? "the chosen design under the stimulus by which answers are compared; the start is shown"
      : `the chosen design ${name(picture)}, around step ${picture.step}`;
    const more = picture.wave.left_out ? `; ${picture.wave.left_out} more signals are not shown` : "";
    holder.replaceChildren(element("div", { class: "wave-head" }, element("h3", {}, "Waveform"), element("span", { class: "soft" }, said + more),
      pictures.length > 1 ? choice : "", head), view);
    fit();
  }
  draw(pictures[0]);
}

function contextView(view) {
  const list = element("ul", { class: "entries" });
  for (const entry of view.context) {
    list.append(element("li", {}, element("details", {}, element("summary", {}, `${entry.title} `, element("span", { class: "soft" }, `${entry.id} · ${entry.score.toFixed(2)} · ${entry.source}`)), element("pre", {}, entry.text))));
  }
  for (const { title, reason } of view.left_out) list.append(element("li", { class: "soft" }, `left out: ${title}: ${reason}`));
  return block("Retrieved context", list);
}

function answers(candidates) {
  return block("All answers", element("div", { class: "answers" }, ...candidates.map((one) => {
    const parts = [element("summary", {}, `number ${one.number} `, wordOf(one), element("span", { class: "soft" }, ` ${one.standing}`))];
    if (one.code !== null) parts.push(sourceView(one.code, one.diagnostics));
    parts.push(element("details", {}, element("summary", {}, "as it came"), element("pre", {}, one.raw)));
    return element("details", {}, ...parts);
  })));
}
