// What a screen takes off by itself: a visitor's own view, and a language that somebody chose. Both say so, and give more time.
"use strict";
const now = () => performance.now() / 1000;
const EXTENSIONS = 10; // WCAG 2.2.1: "at least ten times"; then what is personal goes in any case

const personal = document.getElementById("personal");
let begun = 0, ends = 0;

function taken() {
  const view = personal.firstElementChild;
  if (view === null) return;
  begun = now();
  ends = begun + Number(view.dataset.lasts);
}

function more() {
  const view = personal.firstElementChild;
  if (view === null) return;
  const lasts = Number(view.dataset.lasts);
  ends = Math.max(ends, Math.min(now() + lasts, begun + (1 + EXTENSIONS) * lasts));
}

function done() {
  personal.replaceChildren();
  document.getElementById("spoken").replaceChildren();
}

personal.addEventListener("htmx:afterSwap", (event) => { if (event.target === personal) taken(); });
personal.addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  if (pressed?.id === "more") more();
  if (pressed?.id === "done") done();
});
document.addEventListener("keydown", more);

const back = document.getElementById("back");
let touched = now();
for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, () => { touched = now(); });

function seconds(place, number) {
  const shown = place.querySelector(".seconds");
  const text = String(Math.max(0, Math.ceil(number)));
  if (shown.textContent !== text) shown.textContent = text;
}

setInterval(() => {
  if (personal.firstElementChild !== null) {
    if (now() >= ends) done();
    else seconds(personal, ends - now());
  }
  if (back === null) return;
  const left = touched + Number(back.dataset.after) + Number(back.dataset.lasts) - now();
  back.hidden = left > Number(back.dataset.lasts);
  seconds(back, left);
  if (left <= 0) {
    touched = now();
    // Not before the page is there: a browser's own error page would stay for ever.
    fetch(back.dataset.to).then((answer) => { if (answer.ok) location.replace(back.dataset.to); }, () => {});
  }
}, 200);

// `live` is there from the first word of the pages on: from then on nothing is missed.
const main = document.querySelector("main"), lost = document.getElementById("lost");
document.addEventListener("htmx:sseMessage", () => { main.dataset.live = ""; });
document.addEventListener("htmx:sseOpen", () => { lost.hidden = true; lost.textContent = ""; });
document.addEventListener("htmx:sseError", () => {
  delete main.dataset.live;
  lost.hidden = false;
  lost.textContent = lost.dataset.words;
});
