// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"use strict";
// Filter of folds by their badge; without a script all of them are shown.
for (const form of document.querySelectorAll("form.filter")) {
  const folds = [...form.parentElement.querySelectorAll("details.fold[data-badge]")];
  const count = form.querySelector("output");
  const apply = () => {
    const wanted = new Set([...form.querySelectorAll("input[name=badge]:checked")].map((box) => box.value));
    const text = form.elements.text.value.trim().toLowerCase();
    let shown = 0;
    for (const fold of folds) {
      fold.hidden = !wanted.has(fold.dataset.badge) || !fold.textContent.replace(/\s+/g, " ").toLowerCase().includes(text);
      shown += fold.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${folds.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.unfold.addEventListener("click", () => {
    const open = folds.some((fold) => !fold.hidden && !fold.open);
    for (const fold of folds) if (!fold.hidden) fold.open = open;
    form.elements.unfold.textContent = open ? "Fold all" : "Unfold all";
  });
  form.hidden = false;
  apply();
}
// Tooltips: every mark carries its words; the nearest one within reach is shown.
const tip = document.getElementById("tip");
const REACH = 22;
let near = null;
const leave = () => {
  if (near) near.classList.remove("near");
  near = null;
  tip.hidden = true;
};
for (const chart of document.querySelectorAll(".chart svg")) {
  const marks = [];
  for (const title of chart.querySelectorAll("title")) {
    const mark = title.parentElement;
    mark.dataset.words = title.textContent;
    title.remove(); // the browser would show it a second time
    marks.push(mark);
  }
  const point = (event) => {
    let best = null;
    let least = REACH * REACH;
    for (const mark of marks) {
      const box = mark.getBoundingClientRect();
      const x = Math.max(box.left - event.clientX, 0, event.clientX - box.right);
      const y = Math.max(box.top - event.clientY, 0, event.clientY - box.bottom);
      const distance = x * x + y * y;
      if (distance < least) [best, least] = [mark, distance];
    }
    if (best !== near) leave();
    if (!best) return;
    near = best;
    near.classList.add("near");
    tip.textContent = near.dataset.words;
    tip.hidden = false;
    const size = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - size.width - 4))}px`;
    tip.style.top = `${event.clientY + 18 + size.height > innerHeight ? event.clientY - size.height - 12 : event.clientY + 18}px`;
  };
  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerdown", point);
  chart.addEventListener("pointerleave", leave);
}
// Following a link to a folded part unfolds it.
const reveal = () => {
  const part = document.querySelector(":target");
  for (let fold = part?.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    fold.hidden = false;
    fold.open = true;
  }
  part?.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
// Markdown of a part, as the report's other form has it.
const escaped = (text) =>
  text.replace(/\s+/g, " ").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replace(/[\\`*_[\]|#~]/g, "\\$&");
const INLINE = {
  B: (of) => `**${escaped(of.textContent)}**`,
  A: (of) => (of.protocol === "https:" ? `[${escaped(of.textContent)}](${of.href})` : escaped(of.textContent)),
};
const words = (node) => [...node.childNodes].map((each) => (INLINE[each.nodeName] ?? ((of) => escaped(of.textContent)))(each)).join("").trim();
const line = (cells) => `| ${cells.join(" | ")} |`;
const named = (cell) => escaped([...cell.childNodes].filter((each) => each.nodeName !== "SMALL").map((each) => each.textContent).join("")).trim();
function* tabulated(table) {
  if (table.caption) yield `#### ${words(table.caption)}`;
  const [first, ...others] = table.rows;
  const headings = [...first.cells];
  const rule = headings.map((cell) => (cell.classList.contains("n") ? "---:" : "---"));
  const rows = others.map((row) => {
    const cells = [...row.cells].map(named);
    return line([...cells, ...Array(headings.length - cells.length).fill("")]);
  });
  yield [line(headings.map(named)), line(rule), ...rows].join("\n");
}
function* listed(items, begin = "- ") {
  yield items.map((item) => begin + words(item)).join("\n");
}
function* defined(list) {
  const texts = (entry) => (entry.querySelector("li") ? [...entry.querySelectorAll("li")] : [entry]);
  yield [...list.children].map((entry) => (entry.nodeName === "DT" ? `- **${words(entry)}**` : texts(entry).map((text) => `  - ${words(text)}`).join("\n"))).join("\n");
}
function* folded(summary) {
  const [badge, name, gist] = [".badge", "b", ".gist"].map((part) => summary.querySelector(part)?.textContent ?? "");
  yield `### ${badge ? `${escaped(badge)}: ` : ""}${escaped(name)}`;
  yield escaped(gist);
}
function* shown(marks) {
  if (marks.length && marks.length <= MOST_MARKS) yield marks.map((mark) => `  - ${escaped(mark.dataset.words)}`).join("\n");
}
const MOST_MARKS = 40; // of a panel; more are too many to list
const BLOCKS = {
  H1: (of) => [`## ${words(of)}`],
  H2: (of) => [`## ${words(of)}`],
  H3: (of) => [`### ${words(of)}`],
  H4: (of) => [`- ${words(of)}`], // a panel of a figure
  P: (of) => (of.matches(".legend") ? [] : [words(of)]),
  FIGCAPTION: (of) => [words(of)],
  UL: (of) => listed([...of.children]),
  DL: defined,
  PRE: (of) => [`    ${of.textContent}`],
  TABLE: tabulated,
  SUMMARY: folded,
  FORM: () => [],
  svg: (of) => shown([...of.querySelectorAll("[data-words]")]),
};
function* blocks(part) {
  if (part.matches(".tools")) return;
  const form = BLOCKS[part.nodeName];
  if (form) yield* form(part);
  else for (const child of part.children) yield* blocks(child);
}
const markdown = (part) => `${[...blocks(part)].filter(Boolean).join("\n\n")}\n`;
// Every part that has an address can be passed on: its address, or its Markdown.
const said = document.getElementById("said");
let clearing;
const copy = async (text, what, button) => {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  said.textContent = done ? `${what} copied` : `${what} not copied: this browser refuses it`;
  clearTimeout(clearing);  // of an earlier message, which would take this one away
  clearing = setTimeout(() => { said.textContent = ""; }, 4000);
};
const COPIES = {
  link: (part) => `${location.href.split("#")[0]}#${part.id}`,
  Markdown: markdown,
};
const pass = (part, after, name) => {
  const tools = document.createElement("span");
  tools.className = "tools";
  for (const [what, text] of Object.entries(COPIES)) {
    const button = tools.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = `Copy ${what}`;
    button.setAttribute("aria-label", `Copy ${what}: ${name}`);
    button.dataset.of = part.id;
    button.addEventListener("click", () => copy(text(part), what, button));
  }
  after.after(tools);
  return tools;
};
for (const heading of document.querySelectorAll("section > h1, section > h2, figure > h3")) {
  const head = document.createElement("div");
  head.className = "head";
  const tools = pass(heading.parentElement, heading, heading.textContent);
  heading.before(head);
  head.append(heading, tools);
}
for (const summary of document.querySelectorAll("details.fold > summary")) pass(summary.parentElement, summary, summary.querySelector("b").textContent);
for (const caption of document.querySelectorAll("caption")) pass(caption.parentElement, caption.closest(".scroll, table"), caption.textContent);
