// Says when a page may be out of date: the pages don't answer, or this device has no network. What is heard again takes it away.
"use strict";
const lost = document.getElementById("lost");
let heard = true;

function tell() { lost.hidden = heard && navigator.onLine; }

document.addEventListener("htmx:sseError", () => { heard = false; tell(); });
document.addEventListener("htmx:sseOpen", () => { heard = true; tell(); });
for (const kind of ["online", "offline"]) window.addEventListener(kind, tell);
