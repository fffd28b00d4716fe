/* The task stream. Without this script the page is a plain form; with it an answer is shown as taken at once, kept in
   an outbox until the server has it, and the next task, claimed ahead and its image decoded, is there in one paint.
   One file, though a long one: all of it reads and changes which task is on the screen and which are to come. */
import { carry, toast } from "./toast.js";
import { PERSON, Refusal, call, isDenied, isPassing } from "./label/api.js";
import { Clock } from "./label/clock.js";
import { Combo } from "./label/combo.js";
import { delivery, tell } from "./label/delivery.js";
import { keep, restore } from "./label/draft.js";
import { Form } from "./label/form.js";
import { listen } from "./label/keys.js";
import { once } from "./label/once.js";
import { Outbox } from "./label/outbox.js";
import { overlay, picture } from "./label/overlay.js";
import { Zoom } from "./label/zoom.js";

const client = JSON.parse(document.getElementById("client").textContent);
const page = {
  form: document.getElementById("task"),
  figure: document.getElementById("figure"),
  loading: document.getElementById("loading"),
  broken: document.getElementById("broken"),
  announce: document.getElementById("announce"),
  sync: document.getElementById("sync"),
  done: document.getElementById("done"),
  progress: document.getElementById("progress"),
  undo: document.getElementById("undo"),
  skip: document.getElementById("skip"),
};
const words = client.words;
const clock = new Clock({ cap: client.gap_cap });
const form = new Form(document.getElementById("questions"), client.questions, { words });
const history = [];
const given = [...client.counted].reverse(); // assignments whose answers an undo takes back, the last first
let current = null; // the assignment on the screen
const AHEAD = 2; // tasks leased and loaded before they are needed
const FAR = 5; // as many where the connection was lost a while ago: others have these later
const SHAKY = 600_000; // milliseconds after a lost connection in which it is likely to be lost again
const KEPT = 10; // answered tasks that an undo shows again without a wait
const ahead = [];
let warning = client.warning; // of a rule, unread
let later = []; // addresses of images that will probably be next
const gone = new Set(); // tasks that were answered or skipped on this page
const ECHO = 350; // milliseconds within which a second click is still the same double click
const BLINK = 200; // milliseconds that nobody sees an image and answers in
const WORD = 300; // milliseconds that the next tasks wait for an answer to arrive
const LONG = 1500; // milliseconds after which a wait is told
let shownAt = 0;
let connection = { waiting: 0, failing: false, denied: false };
let lostAt = -Infinity;
let refilling = null;
let early = false; // the next tasks came before an answer had arrived: what a rule says of that is not heard yet
let loading = null;
let staying = false; // the next page is one of this project
let blocked = false; // the image has not loaded as it should: it can only be skipped
let begun = false; // the form holds what stands in it; before, an earlier page has kept it
const prompt = page.form.querySelector("legend").firstChild; // in its own language
const zoom = client.questions.some(({ kind }) => kind === "boxes") ? null : new Zoom(document.getElementById("stage"), page.figure, words);
let busy = true; // nothing may be answered: no task, or its image has not loaded

const outbox = new Outbox(client, {
  send: delivery(client.assignments),
  onChange: (state) => {
    if (state.failing && !state.denied) {
      if (!isShaky()) toast(words.offline, "warn");
      lostAt = Date.now();
    }
    connection = state;
    tellConnection();
    hearLate();
  },
  onRefused: (item, message) => {
    gone.delete(item.task);
    forget(item.id);
    if (item.answers) count(-1);
    toast(message, "bad", 8);
  },
  onElsewhere: pass,
});

function isShaky() {
  return Date.now() - lostAt < SHAKY;
}

/* How many answers wait, and how many more can be given until there is a connection: of what is loaded already. */
function tellConnection() {
  const left = [current, ...ahead].filter((task) => task?.element && isThere(task.element) && !gone.has(task.task)).length;
  tell(page.sync, { ...connection, left }, words);
}

/* -- the next task ------------------------------------------------------------------------------------------------ */

/* Lease the tasks to come. Leases whose answers wait in the outbox are live on the server too. */
async function refill() {
  const answered = new Set(outbox.items().map((item) => item.id));
  early = answered.size > 0;
  const hold = Math.min(answered.size + (current ? 1 : 0) + (isShaky() ? FAR : AHEAD), 10);
  const { tasks, ...told } = await call("POST", client.claim, { hold });
  warning = told.warning;
  for (const task of tasks) {
    if (answered.has(task.id) || gone.has(task.task)) continue;
    const held = [current, ...ahead].find((one) => one?.task === task.task);
    if (held) {
      renew(held, task);
      continue;
    }
    ahead.push(lasting(task));
  }
  later = tasks.at(-1)?.prefetch ?? later;
  loading ??= load().finally(() => {
    loading = null;
  });
}

/* Load the images to come, one after the other: on a slow line the next one would else be as late as the last. */
async function load() {
  for (let task; (task = ahead.find(({ element }) => !element)); ) {
    task.element = picture(task.image, words.alt);
    await task.element.decode().catch(() => {});
    tellConnection();
  }
  page.form.dataset.ahead = ahead.length;
  for (const address of later.splice(0)) new Image().src = address;
}

/* Until when a task is leased, by this device's clock. */
function lasting(task) {
  return Object.assign(task, { until: Date.now() + task.lasts * 1000 });
}

/* Somebody else may hold it by now, and the work would be for nothing. What stands in its form is not thrown away. */
function isOver({ until, stood }) {
  return until < Date.now() && !Object.keys(stood ?? {}).length;
}

/* Who looked at a task for longer than its lease lasts may hold it by another one now, which their answer goes under. */
function renew(held, { id, signature, lasts }) {
  if (held.signature !== signature) return;
  lasting(Object.assign(held, { lasts }));
  if (held.id === id) return;
  held.id = id;
  if (held === current) name(held);
}

function name({ id }) {
  page.form.dataset.assignment = id;
  page.form.elements.assignment.value = id;
}

/* What the person answers in another tab is not asked here again; what stands in the form already stays for them to send. */
function pass(items) {
  const answered = new Set(items.map((item) => item.task));
  for (const task of ahead.filter((one) => answered.has(one.task))) ahead.splice(ahead.indexOf(task), 1);
  for (const task of answered) gone.add(task);
  if (!busy && answered.has(current.task) && !Object.keys(form.answers()).length) advance();
}

/* Behind the answer that was just given: what a rule says of it, a warning or a pause, comes with the next tasks. */
function refillQuietly() {
  if (client.phase !== "working") return;
  refilling ??= outbox
    .sent(WORD)
    .then(refill)
    .catch((error) => isEnd(error) && stop())
    .finally(() => {
      refilling = null;
      hearLate();
    });
}

function hearLate() {
  if (early && !outbox.items().length) refillQuietly();
}

/* Whether the server hands out nothing here any more, as to who is paused, or where the project is. */
function isEnd(error) {
  return error.code === "worker_paused" || !isPassing(error);
}

/* What is loaded ahead is not asked any more, and others need not wait for it. What stands in the form is not thrown away:
   it may still be sent. */
function stop() {
  const isUntouched = !Object.keys(form.answers()).length;
  if (isUntouched && current) ahead.push(current);
  giveBack();
  if (isUntouched) leave();
}

function giveBack() {
  for (const task of ahead.splice(0)) {
    fetch(`${client.assignments}${task.id}/release/`, {
      method: "POST",
      keepalive: true,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": page.form.elements.csrfmiddlewaretoken.value, ...PERSON },
      body: JSON.stringify({ reason: "left the page" }),
    }).catch(() => {});
  }
}

/* Ask until the server answers: the person sees a spinner, and what is in the outbox is safe. */
async function waitForTask() {
  for (let pause = 300; !ahead.length && !current; pause = Math.min(pause * 2, 5000)) {
    try {
      if (refilling) await refilling;
      if (!ahead.length) await refill();
      if (ahead.length || current) break;
      if (!outbox.items().length) return leave();
      await outbox.drained(pause);
    } catch (error) {
      if (current) break;
      // A page of its own says why: a pause, a project that has ended, a session that is over.
      if (isDenied(error) || !isPassing(error)) return leave(isDenied(error) ? 1000 : undefined);
      if (pause === 300 && !(error instanceof Refusal)) toast(words.none_left, "warn");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return undefined;
}

/* The server has something else to say than the next task: an end, a pause, other questions. */
async function leave(patience = 60_000) {
  busy = true;
  spin(true);
  await outbox.drained(patience);
  carry();
  staying = true;
  location.assign(location.pathname);
  return new Promise(() => {});
}

/* A spinner is seen alone: a wait that is not over at once is told, too. */
let slow = null;
function spin(isOn) {
  page.loading.hidden = !isOn;
  clearTimeout(slow);
  if (isOn) slow = setTimeout(() => (page.announce.textContent = page.loading.firstElementChild.ariaLabel), LONG);
}

async function advance() {
  busy = true;
  current = null;
  // Emptied, so that the same words about the next task are read out again.
  page.announce.textContent = "";
  for (const task of ahead.filter(isOver)) ahead.splice(ahead.indexOf(task), 1);
  if (!ahead.length) {
    spin(true);
    await waitForTask();
    if (current) return undefined; // an answer was taken back meanwhile, and its task is on the screen
  }
  // One that this page asks first: another stage of a workflow is another page, and takes its time to load.
  const [task] = ahead.splice(Math.max(ahead.findIndex(({ signature }) => signature === client.signature), 0), 1);
  if (task.signature !== client.signature || warning !== client.warning) return leave();
  show(task, task.stood);
  // Begun on an earlier page, behind an answer that was still on its way when that page was left.
  if (!task.stood) restore(task, form, client.user);
  return undefined;
}

function show(task, answers = {}, said = words.next) {
  begun = true;
  current = task;
  name(task);
  // An image that failed while it was loaded ahead, as without a connection, is asked for again.
  if (!task.element || (task.element.complete && !task.element.naturalWidth)) task.element = picture(task.image, words.alt);
  zoom?.whole();
  page.figure.replaceChildren(...[task.element, overlay(task)].filter(Boolean));
  spin(!task.element.complete);
  page.broken.hidden = true;
  remark("hint", task.hint);
  remark("suggestion", task.suggestion);
  const before = document.activeElement;
  for (const control of form.boxes) control.open(task, task.element, overlay(task));
  form.reset(task.order, answers);
  // Or on what went with the answer: a tick beside the search, a row of the list of boxes.
  if (before?.isConnected === false || form.isPassed(document.activeElement)) form.focus();
  ready(task, said);
}

/* What stands above the questions: of which boxes this task is, and what the model suggests for it, if anything. */
function remark(id, text) {
  const line = document.getElementById(id);
  line.hidden = !text;
  line.querySelector("span").textContent = text;
}

async function ready(task, said = words.next) {
  if (!isThere(task.element)) {
    await arrival(task);
    if (current !== task) return;
    spin(false);
    // Who was waiting, and pressed a choice while nothing was there, may be about to press it once more.
    await new Promise((resolve) => setTimeout(resolve, BLINK));
    if (current !== task) return;
    for (const control of form.boxes) {
      // It was opened before its image was there, so it is not open yet.
      const drawn = control.value();
      control.open(task, task.element, overlay(task));
      control.set(drawn);
    }
  }
  const loaded = isThere(task.element);
  page.broken.hidden = loaded;
  clock.start();
  shownAt = performance.now();
  blocked = !loaded || form.boxes.some((control) => !control.isOpen());
  busy = false;
  tellConnection();
  page.announce.replaceChildren(`${loaded ? said : words.broken} `, prompt.cloneNode(true));
  refillQuietly();
}

function isThere(image) {
  return image.complete && image.naturalWidth > 0;
}

/* Resolves when the image is there, or does not come though there is a line. One that a line has lost is waited for until
   there is one again: it would be skipped as broken. */
async function arrival(task) {
  spin(true);
  await task.element.decode().catch(() => {});
  for (let pause = 500; current === task && !isThere(task.element); pause = Math.min(pause * 2, 15_000)) {
    // Not the image itself, which may come from a bucket that a script may not ask.
    const isOnline = await fetch(import.meta.url, { method: "HEAD", cache: "no-store" }).then(() => true, () => false);
    if (isOnline) {
      task.element.src = task.image.url;
      return void (await task.element.decode().catch(() => {}));
    }
    if (pause === 500) toast(words.offline, "warn");
    await new Promise((resolve) => {
      const over = AbortSignal.timeout(pause);
      over.addEventListener("abort", resolve);
      addEventListener("online", resolve, { once: true, signal: over });
    });
  }
}

/* -- what a person does ------------------------------------------------------------------------------------------- */

function send(answers) {
  if (busy) return;
  if (blocked) return void toast(words.broken, "warn", 8);
  const seconds = clock.seconds();
  history.push({ task: current, answers });
  // Older ones come back from the server, so that their images need not stay in memory.
  if (history.length > KEPT) history.shift();
  given.push(current.id);
  gone.add(current.task);
  outbox.push({ id: current.id, task: current.task, answers, seconds, language: client.language });
  count(1);
  page.undo.disabled = false;
  advance();
}

function submit() {
  if (busy) return;
  if (blocked) return void toast(words.broken, "warn", 8);
  if (lacks()) return;
  if (client.phase === "working") send(form.answers());
  else page.form.requestSubmit(document.getElementById("submit"));
}

/* Whether a question still needs an answer, or another one: the first such is brought into sight, with the focus. A choice
   that is sent at once does not get it: the next Enter, of who presses it after each number, would be an answer. */
function lacks() {
  const missing = form.missing();
  if (!missing) return false;
  missing.root.scrollIntoView({ block: "center" });
  missing.problem.scrollIntoView({ block: "nearest" }); // a long question has it out of sight
  missing.root.querySelector("input, textarea, button:not(.choice)")?.focus({ preventScroll: true });
  page.announce.textContent = missing.problem.textContent;
  return true;
}

async function undo() {
  if (busy && (current || !begun)) return;
  const last = history.at(-1);
  const shelved = current;
  busy = true;
  page.announce.textContent = "";
  let restored = last && outbox.take(last.task.id) ? last : null;
  try {
    restored ??= await takeBack();
  } catch (error) {
    busy = !current;
    if (error.code === "nothing_to_undo") given.pop();
    toast(error instanceof Refusal ? error.message : words.offline, "warn");
    return;
  }
  given.pop();
  if (last?.task.task === restored.task.task) {
    history.pop();
    restored.task.element ??= last.task.element; // it is there already
  }
  if (shelved) ahead.unshift(Object.assign(shelved, { stood: standing(shelved) }));
  restored.task.given = restored.answers;
  form.learn(restored);
  gone.delete(restored.task.task);
  count(-1);
  show(restored.task, restored.answers, words.undone);
}

/* What stands in the form of a task that is put aside. A choice that is sent at once stands in no form: of one that was
   taken back it is what had been given. */
function standing({ given = {} }) {
  const answers = form.answers();
  return Object.keys(answers).length ? answers : given;
}

/* The answer is on the server already: withdraw it there. Named, since a try whose reply was lost is made again: it would
   take back the answer before. */
async function takeBack() {
  if (!(await outbox.drained(5000))) throw new Error("the answer to take back has not arrived yet");
  const restored = await call("POST", client.undo, { assignment: given.at(-1) });
  if (restored.task.signature !== client.signature) return leave();
  lasting(restored.task);
  return restored;
}

/* The server did not take that answer, so there is none to take back. */
function forget(id) {
  if (given.includes(id)) given.splice(given.indexOf(id), 1);
}

function skip(reason) {
  if (busy && (!current || isThere(current.element))) return; // an image that does not come can be skipped
  if (page.skip.contains(document.activeElement)) form.focus();
  page.skip.open = false;
  gone.add(current.task);
  outbox.push({ id: current.id, task: current.task, skip: reason });
  advance();
}

/* Beside what is told of an image that did not come. No submit button: Enter in a field would press the first of a form. */
page.broken.querySelector("button").addEventListener("click", () => {
  form.focus();
  page.skip.querySelector('[value="broken"]').click();
});

function count(step) {
  if (page.done) page.done.textContent = Math.max(0, Number(page.done.textContent) + step);
  if (page.progress) page.progress.value += step;
}

page.form.addEventListener("submit", (event) => {
  if (event.submitter?.hasAttribute("formaction")) return;
  document.getElementById("seconds").value = clock.seconds();
  if (client.phase !== "working") return void guided(event);
  event.preventDefault();
  const { submitter } = event;
  if (isEcho(submitter)) return;
  if (submitter?.name === "undo") undo();
  else if (submitter?.name === "skip") skip(submitter.value);
  else if (submitter?.classList.contains("choice")) {
    submitter.classList.add("flash");
    setTimeout(() => submitter.classList.remove("flash"), 160);
    const key = submitter.closest("[data-question]").dataset.question;
    send({ [key]: typed(key, submitter.value) });
  } else submit();
});

/* The second click of a double click was meant for the task before, which is gone. What counts is when it was made: a
   page that is busy with the next image hears of it later. */
let doubled = false;
let clickedAt = 0;
page.form.addEventListener("click", (event) => {
  doubled = event.detail > 1;
  clickedAt = event.timeStamp;
});
function isEcho(submitter) {
  return doubled && submitter?.matches(".choice, #submit") && clickedAt - shownAt < ECHO;
}

const goes = once(); // a second one would leave the word on the first unread

/* Practice and the test go through the server one by one: it tells at once whether the answer was right. */
function guided(event) {
  if (!navigator.onLine) {
    event.preventDefault();
    return void toast(words.offline, "warn");
  }
  if ((!event.submitter?.name && lacks()) || !goes()) event.preventDefault();
}

/* What was picked is sent, not its name, which several choices may share. */
page.form.addEventListener("formdata", ({ formData }) => {
  for (const field of form.fields) if (field.combo?.value()) formData.set(field.name, field.combo.value());
});

function typed(key, value) {
  const { kind } = client.questions.find((question) => question.key === key);
  if (value === "cant_tell") return value;
  if (kind === "yes_no") return value === "yes";
  return kind === "rating" ? Number(value) : value;
}

for (const field of form.fields) {
  const combo = field.root.querySelector("[data-combo]");
  if (combo) {
    field.combo = new Combo(combo, field.question.choices);
    if (client.questions.length === 1) combo.addEventListener("choose", () => submit());
  }
}

listen({ page, form, submit, undo, zoom, isBusy: () => busy });

/* -- start -------------------------------------------------------------------------------------------------------- */

async function start() {
  const controls = form.fields.filter((field) => field.kind === "boxes");
  if (controls.length) {
    const { mount } = await editor();
    for (const field of controls) field.boxes = mount(field.root, page, field.question, words);
  }
  // Of an earlier visit, on their way still; the server may have one whose reply was lost.
  const waiting = outbox.items();
  const uncounted = waiting.filter((item) => item.answers && !client.counted.includes(item.id));
  count(uncounted.length);
  given.push(...uncounted.map(({ id }) => id));
  const first = lasting({ ...client.task, element: document.getElementById("image") });
  if (waiting.some((item) => item.id === first.id || item.task === first.task)) gone.add(first.task);
  outbox.flush();
  current = first;
  await current.element.decode().catch(() => {});
  if (current !== first) return undefined; // it did not come, and was skipped
  for (const control of form.boxes) control.open(current, current.element, overlay(current));
  for (const field of form.boxes.length ? form.fields : []) if (client.answers[field.key] !== undefined) field.set(client.answers[field.key]);
  if (Object.keys(client.answers).length || !restore(current, form, client.user)) form.update();
  begun = true;
  // By keys it is one step to the first field, not one through all of the page's head.
  if (!controls.length && document.activeElement === document.body) form.focus();
  if (gone.has(current.task)) return advance();
  // A warning that the page came with is read out here: what stands on a page from its start may be passed over.
  return ready(current, [warning, client.undone ? words.undone : words.next].filter(Boolean).join(" "));
}

/* The boxes editor is a script of its own. A line that loses it would leave a page that answers nothing: it begins anew as
   soon as the script can be had; not every second where what it needs itself does not come. */
async function editor() {
  try {
    return await import("./boxes.js");
  } catch {
    toast(words.offline, "warn", 0);
  }
  const again = performance.getEntriesByType("navigation")[0]?.type === "reload";
  do await new Promise((resolve) => setTimeout(resolve, again ? 30_000 : 1000));
  while (!(await fetch(new URL("./boxes.js", import.meta.url)).then(({ ok }) => ok, () => false)));
  staying = true;
  location.reload();
  return new Promise(() => {});
}

/* Give back what was leased ahead, so that nobody waits for it; but not to a page of this project, which goes on with it. */
document.addEventListener("click", (event) => {
  if (event.target.closest("a")?.pathname.startsWith(location.pathname)) staying = true;
});
/* So does the page in another of the survey's languages; without a connection there would be no page at all. */
document.querySelector(".tongues")?.addEventListener("submit", (event) => {
  staying = navigator.onLine;
  if (staying) return;
  event.preventDefault();
  toast(words.offline, "warn");
});
/* A phone ends pages that are out of sight without a word more. */
document.addEventListener("visibilitychange", () => document.hidden && begun && keep(current, form, client.user));
addEventListener("pagehide", () => {
  if (begun) keep(current, form, client.user);
  if (!staying) giveBack();
});

/* Back by the back button, from a page that the browser kept as it was: its leases may be somebody else's by now. */
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

start();
