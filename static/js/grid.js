/* The grid task: counts what is tapped and the active time, and sends all of it at once; without a connection each answer
   waits in the outbox that the labeling page has, too. What is tapped is kept for this tab, by lease: who comes back
   before it is sent finds it where it was, and never on another image. */
import { PERSON } from "./label/api.js";
import { Clock } from "./label/clock.js";
import { delivery, tell } from "./label/delivery.js";
import { Outbox } from "./label/outbox.js";
import { carry, toast } from "./toast.js";

const client = JSON.parse(document.getElementById("client").textContent);
const form = document.getElementById("grid");
const gallery = form.querySelector(".gallery");
const clock = new Clock({ cap: client.gap_cap });
clock.start();
const KEY = "crowdtune:tapped";
const MOST = 60; // tiles of which it is kept whether they are tapped
const PATIENCE = 20_000; // milliseconds in which a grid is stored, or waits in the outbox
let held = false; // it is sent, and its answers are on their way or wait
let waits = false; // they wait in the outbox

const outbox = new Outbox(client, {
  send: delivery(client.assignments),
  onChange: (state) => {
    tell(document.getElementById("sync"), state, client.words);
    if (waits && !state.waiting) next();
  },
  onRefused: (_item, message) => toast(message, "bad", 8),
});

function count() {
  document.getElementById("tapped").textContent = form.querySelectorAll(":checked").length;
}
form.addEventListener("change", () => {
  count();
  // What was tapped of the next grid stays, for who has taken this one back.
  const now = [...form.querySelectorAll("[name=tapped]")].map(({ value, checked }) => [value, checked]);
  keep(Object.fromEntries(Object.entries({ ...kept(), ...Object.fromEntries(now) }).slice(-MOST)));
});
/* Enter on an image taps it, too: a browser would send all of the grid. With Ctrl it is sent, as a text is. */
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("[type=checkbox], .gallery")) return;
  event.preventDefault();
  if (event.repeat) return;
  if (event.ctrlKey || event.metaKey) form.requestSubmit();
  else if (event.target !== gallery) event.target.click();
});
function keep(tapped) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(tapped));
  } catch {
    // Without storage a page that is loaded anew begins anew.
  }
}
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}
for (const [id, isTapped] of Object.entries(kept())) {
  const tile = form.querySelector(`[name=tapped][value="${CSS.escape(id)}"]`);
  if (tile) tile.checked = isTapped;
}
count();
addEventListener("pageshow", (event) => {
  // Kept by the browser as it was: these images are answered by now.
  if (event.persisted) location.reload();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!held) send();
});
document.getElementById("undo")?.addEventListener("submit", (event) => {
  if (held || !navigator.onLine) event.preventDefault();
  if (!navigator.onLine) toast(client.words.offline, "warn");
});

/* Of an image that is not there nobody has said anything: it is not sent, and comes with the next grid. */
function leaveOut() {
  const unseen = [...gallery.querySelectorAll(".tap")].filter((tile) => !tile.querySelector("img").naturalWidth);
  for (const tile of unseen) for (const input of tile.querySelectorAll("input")) input.disabled = true;
  if (unseen.length) toast(client.words.unseen, "bad", 8);
}

/* One that does not come can be skipped where it is: it would stand in each grid that follows. */
for (const image of gallery.querySelectorAll("img")) {
  if (image.complete && !image.naturalWidth) offerSkip(image);
  else image.addEventListener("error", () => offerSkip(image), { once: true });
}

function offerSkip(image) {
  const tile = image.closest("li");
  const { value: id } = tile.querySelector("[name=shown]");
  const told = Object.assign(document.createElement("p"), { className: "small muted", textContent: client.words.broken });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: client.words.skip });
  button.addEventListener("click", () => {
    outbox.push({ id, task: client.tiles.find((one) => one.id === id).task, skip: "broken" });
    (tile.nextElementSibling ?? tile.previousElementSibling)?.querySelector("[type=checkbox]").focus();
    tile.remove();
    count();
  });
  tile.append(told, button);
}

async function send() {
  const seconds = clock.seconds();
  document.getElementById("seconds").value = seconds;
  leaveOut();
  const body = new FormData(form);
  const shown = body.getAll("shown");
  if (!shown.length) return next();
  hold();
  if (await isStored(body)) return next();
  const tapped = body.getAll("tapped");
  const each = Math.round((seconds / shown.length) * 100) / 100;
  waits = true;
  for (const { id, task } of client.tiles) {
    if (!shown.includes(id)) continue;
    outbox.push({ id, task, answers: { [client.question]: tapped.includes(id) }, seconds: each, language: client.language });
  }
  return undefined;
}

/* Whether the server has taken the form: it answers with the way to what comes next. */
async function isStored(body) {
  try {
    const response = await fetch(location.pathname, { method: "POST", body, headers: PERSON, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) });
    return response.type === "opaqueredirect";
  } catch {
    return false;
  }
}

function hold() {
  held = true;
  gallery.inert = true;
  form.querySelector(".sticky-bar .primary").setAttribute("aria-disabled", "true"); // disabled it would lose the focus
}

function next() {
  carry();
  location.assign(location.pathname);
}

/* Sent by an earlier page, and waiting still: these tiles are answered. */
const waiting = new Set(outbox.items().map(({ task }) => task));
if (client.tiles.some(({ task }) => waiting.has(task))) {
  hold();
  waits = true;
}
outbox.flush();
// By keys it is one step to the first image, not one through all of the page's head, with each grid anew.
if (document.activeElement === document.body) gallery.focus({ preventScroll: true });
