"use strict";
// The table of problems, its filters and order, and the address of each answer: #problem/index.

const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.getElementById("answer");
const linkTo = (answer) => `#${encodeURIComponent(data.problems[answer.problem].id)}/${answer.index}`;

const several = new Set(data.problems.map((problem) => problem.category)).size > 1;

const rows = data.problems.map((problem, place) => ({ problem, place, answers: [] }));
for (const answer of data.answers) rows[answer.problem].answers.push(answer);
for (const row of rows) {
  row.answers.sort((a, b) => a.index - b.index);
  row.passed = row.answers.filter((answer) => answer.status === "pass").length;
  row.share = row.passed / row.answers.length;
  row.words = `${row.problem.id} ${row.problem.category} ${row.problem.spec}`.toLowerCase();
  row.element = tableRow(row);
}

function tableRow(row) {
  const first = row.answers.find((answer) => answer.status !== "pass") || row.answers[0];
  row.squares = row.answers.map((answer) => square(answer, linkTo(answer), false));
  const track = shape("svg", { class: "bar s-pass", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("rect", { class: "room", x: 0, y: 2, width: 100, height: 6 }), shape("rect", { class: "share", x: 0, y: 2, width: 100 * row.share, height: 6 }));
  return element("tr", {},
    element("td", { class: "name" }, element("a", { href: linkTo(first) }, row.problem.id)),
    ...(several ? [element("td", { class: "soft" }, row.problem.category)] : []),
    element("td", { class: "number" }, `${row.passed} of ${row.answers.length}`),
    element("td", { class: "rate" }, track),
    element("td", {}, element("span", { class: "squares" }, ...row.squares)));
}

// ---- order ----
const natural = new Intl.Collator("en", { numeric: true }).compare;
const COLUMNS = [
  { title: "problem", by: (a, b) => natural(a.problem.id, b.problem.id) },
  ...(several ? [{ title: "category", by: (a, b) => natural(a.problem.category, b.problem.category) }] : []),
  { title: "passed", by: (a, b) => a.passed - b.passed, kind: "number" },
  { title: "pass@1", by: (a, b) => a.share - b.share },
  { title: "answers", by: (a, b) => natural(commonest(a), commonest(b)) },
];
let order = { column: null, down: false };

/** The statuses of a problem's answers, so that alike problems stand together. */
function commonest(row) {
  return row.answers.map((answer) => answer.status).sort().join(" ");
}

const body = document.querySelector("#problems tbody");
const heads = COLUMNS.map((column, i) => {
  const head = element("th", { scope: "col", class: column.kind || "" }, element("button", { type: "button", onclick: () => sortBy(i) }, column.title));
  document.querySelector("#problems thead tr").append(head);
  return head;
});

function sortBy(i) {
  order = { column: i, down: order.column === i && !order.down };
  heads.forEach((head, j) => (j === i ? head.setAttribute("aria-sort", order.down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
  rows.sort((a, b) => (order.down ? -1 : 1) * COLUMNS[i].by(a, b) || a.place - b.place);
  body.append(...rows.map((row) => row.element));
}

// ---- filters ----
const wanted = { words: "", statuses: new Set(), category: "", why: "" };
const input = document.getElementById("words"), select = document.getElementById("category"), clear = document.getElementById("clear");
const nothing = element("tr", { class: "none", hidden: "" }, element("td", { colspan: COLUMNS.length }, "No problem matches these filters."));

const fits = (answer) => (!wanted.statuses.size || wanted.statuses.has(answer.status)) && (!wanted.why || answer.why === wanted.why);

function filter() {
  const terms = wanted.words.toLowerCase().split(/\s+/).filter(Boolean);
  let problems = 0, answers = 0;
  for (const row of rows) {
    const matches = row.answers.map(fits);
    const shown = matches.includes(true) && (!wanted.category || row.problem.category === wanted.category) && terms.every((term) => row.words.includes(term));
    row.element.hidden = !shown;
    row.squares.forEach((made, i) => made.classList.toggle("dim", !matches[i]));
    row.shown = shown ? row.answers.filter((_, i) => matches[i]) : [];
    problems += shown;
    answers += row.shown.length;
  }
  nothing.hidden = problems > 0;
  clear.hidden = !(wanted.words || wanted.statuses.size || wanted.category || wanted.why);
  document.getElementById("shown").textContent = `${problems} of ${rows.length} problems, ${answers} answers`;
}

const counts = new Map();
for (const answer of data.answers) counts.set(answer.status, (counts.get(answer.status) || 0) + 1);
const chips = [...counts].sort((a, b) => b[1] - a[1]).map(([status, count]) => {
  const chip = element("button", { type: "button", class: `chip s-${status}`, "data-status": status, "aria-pressed": "false", onclick: () => {
    if (!wanted.statuses.delete(status)) wanted.statuses.add(status);
    showFilters();
  } }, `${words(status)} `, element("b", {}, String(count)));
  document.getElementById("statuses").append(chip);
  return chip;
});
const reasons = [...document.querySelectorAll("[data-why]")];
for (const reason of reasons) {
  reason.addEventListener("click", () => {
    wanted.why = wanted.why === reason.dataset.why ? "" : reason.dataset.why;
    showFilters();
    if (wanted.why) document.querySelector(".problems").scrollIntoView({ block: "start" });
  });
}

function showFilters() {
  chips.forEach((chip) => chip.setAttribute("aria-pressed", wanted.statuses.has(chip.dataset.status)));
  reasons.forEach((reason) => reason.setAttribute("aria-pressed", wanted.why === reason.dataset.why));
  filter();
}

const categories = [...new Set(rows.map((row) => row.problem.category))].sort(natural);
select.append(element("option", { value: "" }, "All categories"), ...categories.map((name) => element("option", { value: name }, name)));
select.hidden = !several;
select.addEventListener("change", () => { wanted.category = select.value; filter(); });
input.addEventListener("input", () => { wanted.words = input.value; filter(); });
clear.addEventListener("click", () => {
  Object.assign(wanted, { words: "", category: "", why: "" });
  wanted.statuses.clear();
  input.value = select.value = "";
  showFilters();
});

// ---- answers and their addresses ----
function addressed() {
  const [, name, index] = location.hash.match(/^#(.+)\/(\d+)$/) || [];
  if (name === undefined) return null;
  let id;
  try { id = decodeURIComponent(name); } catch { return null; }
  const row = rows.find((some) => some.problem.id === id);
  return row && row.answers.find((answer) => answer.index === Number(index)) || null;
}

function openAddressed() {
  const answer = addressed();
  if (!answer) { if (dialog.open) dialog.close(); return; }
  const problem = data.problems[answer.problem];
  if (!dialog.open) dialog.showModal();
  showAnswer(dialog, problem, answer, rows.find((row) => row.problem === problem).answers, linkTo, step);
  dialog.querySelector(".body").focus({ preventScroll: true });
}

/** Go to the next or the previous of the answers that the table shows, in its order. */
function step(by) {
  const shown = rows.flatMap((row) => row.shown);
  const at = shown.indexOf(addressed());
  const next = at < 0 ? shown[0] : shown[at + by];
  if (next) location.replace(linkTo(next));
}

dialog.addEventListener("close", () => {
  // The address without its hash would jump to the top of the page.
  if (addressed()) history.pushState(null, "", location.pathname + location.search);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
window.addEventListener("hashchange", openAddressed);
window.addEventListener("popstate", openAddressed);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (dialog.open && (event.key === "j" || event.key === "k")) step(event.key === "j" ? 1 : -1);
  if (!dialog.open && event.key === "/") { event.preventDefault(); input.focus(); }
});

body.append(...rows.map((row) => row.element), nothing);
filter();
openAddressed();
