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
      fold.hidden = !wanted.has(fold.dataset.badge) || !fold.textContent.toLowerCase().includes(text);
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
// A printed page has no one to unfold it.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.open = true;
    each.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-printed]")) {
    each.open = false;
    delete each.dataset.printed;
  }
});
