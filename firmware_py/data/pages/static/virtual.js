// The virtual café's page: shows what the server tells of the room, and carries out what hands do.
"use strict";

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const SVG = "http://www.w3.org/2000/svg";
const SHOWN_EVENTS = 60, SHOWN_PIECES = 4, LONGEST_ROWS = 4000, FAR_PX = 6;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// What hands do

async function act(what) {
  const answer = await fetch("/virtual/do", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(what),
  }).catch(() => null);
  if (!answer?.ok) say(one("#said").dataset.lost);
}

function say(words) { one("#said").textContent = words; }

function hold(card) {
  say(one("#said").dataset.tapped.replace("{name}", card.dataset.name));
  return act(card.dataset.card ? { do: "tap", card: Number(card.dataset.card) } : { do: card.dataset.do });
}

function ghostOf(card) {
  const ghost = card.cloneNode(true);
  ghost.className = "member ghost";
  delete ghost.dataset.card;
  ghost.inert = true;
  ghost.setAttribute("aria-hidden", "true");
  ghost.style.width = `${card.offsetWidth}px`;
  document.body.append(ghost);
  return ghost;
}

function fly(card) {
  if (calm.matches) return;
  const from = card.getBoundingClientRect(), to = one("#reader .pad").getBoundingClientRect();
  const ghost = ghostOf(card);
  const end = `translate(${to.x + to.width / 2 - from.width / 2}px, ${to.y + to.height / 2 - from.height / 2}px)`;
  ghost.animate(
    [{ transform: `translate(${from.x}px, ${from.y}px)` }, { transform: end, offset: .7 }, { transform: end, opacity: 0 }],
    { duration: 450, easing: "ease-out" },
  ).onfinish = () => ghost.remove();
}

function makeCard(card) {
  let start = null, ghost = null, dragged = false;
  card.addEventListener("pointerdown", (event) => {
    if (event.button === 0) { start = event; dragged = false; }
  });
  card.addEventListener("pointermove", (event) => {
    if (!start) return;
    if (!ghost && Math.hypot(event.x - start.x, event.y - start.y) > FAR_PX) {
      card.setPointerCapture(event.pointerId);
      ghost = ghostOf(card);
      dragged = true;
    }
    if (ghost) {
      ghost.style.transform = `translate(${event.x - card.offsetWidth / 2}px, ${event.y - card.offsetHeight / 2}px) rotate(-4deg)`;
      one("#reader").classList.toggle("near", isOverReader(event));
    }
  });
  const drop = (event) => {
    if (ghost) {
      if (event.type === "pointerup" && isOverReader(event)) hold(card);
      ghost.remove();
    }
    one("#reader").classList.remove("near");
    start = ghost = null;
  };
  card.addEventListener("pointerup", drop);
  card.addEventListener("pointercancel", drop);
  card.addEventListener("click", () => {
    if (dragged) { dragged = false; return; }
    fly(card);
    hold(card);
  });
}

function isOverReader(event) {
  const box = one("#reader").getBoundingClientRect();
  return event.x >= box.left && event.x <= box.right && event.y >= box.top && event.y <= box.bottom;
}

// One stop of the Tab key for the whole tray; arrows go from card to card.
function makeTray(tray) {
  const cards = all(".member", tray);
  cards.forEach(makeCard);
  tray.addEventListener("keydown", (event) => {
    const at = cards.indexOf(document.activeElement);
    const to = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: cards.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    cards[(to + cards.length) % cards.length].focus();
  });
  tray.addEventListener("focusin", (event) => {
    for (const card of cards) card.tabIndex = card === event.target ? 0 : -1;
  });
}

// What is seen

const show = {
  power(on) {
    const came = document.body.classList.contains("dark") && on;
    document.body.classList.toggle("dark", !on);
    // The screen's own machine starts anew, too.
    if (came) one(".bezel iframe").contentWindow.location.reload();
  },
  boot(number) { document.body.dataset.boot = number; },
  night(is) { document.body.classList.toggle("night", is); },
  time(time) { const clock = one("#clock"); clock.textContent = time ?? "--:--"; clock.classList.toggle("unknown", !time); },
  day(day) { one("#day").textContent = day ?? ""; },
  lights(lights) {
    for (const item of all("#tables li")) {
      const zone = item.dataset.zone, words = one(".light", item), lit = zone in lights;
      words.textContent = lit ? words.dataset.on : words.dataset.off;
      one(`.plan [data-zone="${zone}"]`).classList.toggle("lit", lit);
    }
    one("#reader").dataset.light = lights.reader ?? "";
  },
  tune(tune) { one("#reader").classList.toggle("sounds", tune !== null); },
  here(here) {
    for (const card of all(".member[data-card]")) {
      const is = here.includes(Number(card.dataset.card));
      card.classList.toggle("here", is);
      one(".is-here", card).hidden = !is;
    }
  },
  tables(tables) {
    for (const [zone, names] of Object.entries(tables)) {
      one(`#tables [data-zone="${zone}"] .people`).textContent = names.join(", ");
      one(`.plan [data-zone="${zone}"] .people`).replaceChildren(...names.slice(0, 14).map(seated));
    }
  },
  troubles(troubles) {
    for (const button of all(".deed[data-undo]")) button.setAttribute("aria-pressed", troubles.includes(button.dataset.do));
    for (const each of ["unplug", "paper_out", "cover_open", "mute"]) document.body.classList.toggle(each, troubles.includes(each));
  },
  events(events) {
    const list = one("#events");
    list.prepend(...events.map(line).reverse());
    while (list.children.length > SHOWN_EVENTS) list.lastChild.remove();
  },
  paper(strips) { for (const strip of strips) printed = printed.then(() => print(strip)); },
};

const now = {};
let printed = Promise.resolve();

function tell() {
  const words = one("#signal"), said = now.signal;
  words.textContent = !now.power ? words.dataset.dark : now.troubles?.includes("unplug") ? words.dataset.unplugged : said ?? "";
}

function seated(name, place) {
  const angle = Math.PI * (.75 + place * 2 / 7), out = place < 7 ? 1 : 1.42;
  const person = document.createElementNS(SVG, "g");
  person.setAttribute("transform", `translate(${58 * out * Math.cos(angle)} ${4 + 27 * out * Math.sin(angle)})`);
  const head = document.createElementNS(SVG, "circle");
  head.setAttribute("r", 10);
  const letter = document.createElementNS(SVG, "text");
  letter.setAttribute("y", 4);
  letter.textContent = [...name][0] ?? "?";
  person.append(head, letter);
  return person;
}

function line(event) {
  const item = document.createElement("li");
  item.value = event.seq;
  item.dataset.kind = event.kind;
  const kind = document.createElement("b"), facts = document.createElement("span"), at = document.createElement("time");
  kind.textContent = event.kind;
  at.textContent = `${event.s.toFixed(1)} s`;
  facts.textContent = Object.entries(event.fact).map(([key, value]) => `${key} ${short(value)}`).join(" · ");
  item.append(kind, at, facts);
  return item;
}

function short(value) {
  const text = String(value);
  return text.length > 20 ? `${text.slice(0, 8)}…` : text;
}

let piece = null;

// The dots as they are printed are on a canvas that nobody sees; what is seen is made of it, smooth at any size. How much is
// out of the printer is the height of what is around it.
function begin(strip) {
  piece?.remove();
  piece = document.createElement("div");
  piece.className = "piece";
  piece.dataset.number = strip.number;
  const dots = document.createElement("canvas"), seen = document.createElement("canvas");
  one("#paper").append(piece);
  piece.append(dots, seen);
  dots.className = "dots";
  dots.hidden = true;
  dots.width = strip.dots;
  dots.height = LONGEST_ROWS;
  seen.width = piece.clientWidth * devicePixelRatio;
  seen.height = LONGEST_ROWS * seen.width / strip.dots;
}

async function print(strip) {
  if (piece === null || Number(piece.dataset.number) !== strip.number) begin(strip);
  const mine = piece;
  if (strip.png) {
    const image = new Image();
    image.src = `data:image/png;base64,${strip.png}`;
    await image.decode();
    const [dots, seen] = all("canvas", mine), rows = strip.top + strip.rows, scale = mine.clientWidth / strip.dots;
    dots.getContext("2d").drawImage(image, 0, strip.top);
    const brush = seen.getContext("2d");
    brush.imageSmoothingQuality = "high";
    brush.drawImage(dots, 0, 0, strip.dots, rows, 0, 0, seen.width, rows * seen.width / strip.dots);
    mine.style.height = `${rows * scale}px`;
    mine.dataset.rows = rows;
    if (!calm.matches) mine.animate([{ height: `${strip.top * scale}px` }, { height: `${rows * scale}px` }], strip.ms);
  }
  if (strip.off) take(mine, strip);
}

function take(mine, strip) {
  mine.classList.add(strip.scrap ? "scrap" : "off");
  const list = one("#taken"), item = document.createElement("li"), button = document.createElement("button"), image = new Image();
  const words = (strip.scrap ? list.dataset.scrap : list.dataset.badge).replace("{number}", strip.number + 1);
  button.type = "button";
  button.className = strip.scrap ? "slip scrap" : "slip";
  image.src = `/virtual/paper/${strip.number}.png`;
  image.alt = words;
  button.append(image);
  button.addEventListener("click", () => look(image.src, words));
  item.append(button);
  list.prepend(item);
  while (list.children.length > SHOWN_PIECES) list.lastChild.remove();
}

function look(source, words) {
  const whole = one("#whole");
  one("h2", whole).textContent = words;
  one("img", whole).src = source;
  one("img", whole).alt = words;
  whole.showModal();
}

function listen() {
  const news = new EventSource("/virtual/news");
  news.onopen = () => {
    // Whoever comes back is told everything anew.
    one("#events").replaceChildren();
    one("#taken").replaceChildren();
    one("#paper").replaceChildren();
    piece = null;
    document.body.classList.remove("away");
  };
  news.onmessage = (message) => {
    const changed = JSON.parse(message.data);
    Object.assign(now, changed);
    for (const [key, value] of Object.entries(changed)) show[key]?.(value);
    tell();
    document.body.dataset.ready = "true";
  };
  news.onerror = () => {
    document.body.classList.add("away");
    say(one("#said").dataset.lost);
  };
}

makeTray(one(".cards"));
for (const button of all(".deed")) {
  button.addEventListener("click", () =>
    act({ do: button.getAttribute("aria-pressed") === "true" ? button.dataset.undo : button.dataset.do }));
}
listen();
