/* Every page: theme, menus, dialogs, copy buttons, toasts, dropzones, confirmations. No page needs it to work. */
import { carried, toast } from "./toast.js";

carried();

/* Screen readers tell what is added to a page, not what it came with, as the server's word on what was just done. */
const LISTENING = 500; // milliseconds until one is sure to follow a page that has come
setTimeout(() => {
  for (const told of document.querySelectorAll("#toasts > .toast p")) told.replaceChildren(...told.cloneNode(true).childNodes);
}, LISTENING);

const YEAR = 31_536_000;
const root = document.documentElement;
root.classList.add("scripted");

/* Theme: the cookie lets the server paint the right one before any script runs. */
function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.cookie = `theme=${theme};path=/;max-age=${YEAR};samesite=lax`;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

/* Where this browser is, by whose clock pages tell the time: minutes beside UTC, and the name of the time zone. */
document.cookie = `zone=${-new Date().getTimezoneOffset()}:${Intl.DateTimeFormat().resolvedOptions().timeZone ?? ""};path=/;max-age=${YEAR};samesite=lax`;

async function copy(button) {
  const source = document.getElementById(button.dataset.copy) ?? button.closest(".code")?.querySelector("pre");
  const text = button.dataset.copyText ?? source?.value ?? source?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    // By http, as on a network of one's own, browsers have no clipboard for pages but what is selected.
    getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return void toast(root.dataset.copyFailed, "warn");
  }
  toast(button.dataset.copied ?? root.dataset.copied, "good");
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-theme-choice], [data-copy], [data-copy-text], [data-dialog], [data-close], [data-dismiss]");
  leaveMenus(event);
  if (!target) return;
  if (target.dataset.themeChoice) setTheme(target.dataset.themeChoice);
  else if ("copy" in target.dataset || "copyText" in target.dataset) copy(target);
  else if (target.dataset.dialog) document.getElementById(target.dataset.dialog)?.showModal();
  else if ("close" in target.dataset) target.closest("dialog")?.close();
  else if ("dismiss" in target.dataset) target.closest(".toast, .alert")?.remove();
});

/* A menu is closed by who goes on beside it, by a click or by Tab: it would lie on what has the focus. A press on words
   in it gives the focus to what holds the menu; Chromium crashes where that closes it under the pointer. */
function leaveMenus({ type, target }) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target) && !(type === "focusin" && target.contains(menu))) menu.open = false;
  }
}
document.addEventListener("focusin", leaveMenus);

/* Browsers leave where it is what has the focus and shows in part, be it by a hair, in what scrolls to the side. */
document.addEventListener("focusin", ({ target }) => {
  if (target.matches(":focus-visible") && target.parentElement.closest(".tabs, .settings-nav, .table-wrap")) target.scrollIntoView({ block: "nearest", inline: "nearest" });
});

/* A click on the backdrop closes a dialog; Escape closes menus and gives the focus back. */
document.addEventListener("mousedown", (event) => {
  if (event.target instanceof HTMLDialogElement && event.target.matches(".dialog")) event.target.close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    event.preventDefault(); // it ends nothing that lies below
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

/* <form data-confirm="Really?"> and, for a form that only leaves a filter, <form data-autosubmit>. */
document.addEventListener("submit", (event) => {
  const chosen = [...event.target.elements].filter((field) => field.checked).length;
  const question = (event.submitter?.dataset.confirm ?? event.target.dataset.confirm)?.replace("{chosen}", chosen);
  if (question && !window.confirm(question)) event.preventDefault();
  else if (isOnItsWay(event)) event.preventDefault();
});

/* Who comes back finds a filter as it was left, beside what the page shows by another: it says what is shown. */
window.addEventListener("pageshow", ({ persisted }) => {
  if (!persisted && performance.getEntriesByType("navigation")[0]?.type !== "back_forward") return;
  for (const form of document.querySelectorAll("form[data-autosubmit]")) form.reset();
});

/* The second click of a double click would make a second webhook, key or export. After a while the form can be sent again:
   one that brings a download leaves the page where it is. */
const ON_ITS_WAY = 5000;
const sent = new WeakMap();

function isOnItsWay({ target: form, submitter, defaultPrevented }) {
  if (defaultPrevented || form.method !== "post" || submitter?.formTarget) return false;
  const before = sent.get(form) ?? -Infinity;
  if (performance.now() - before < ON_ITS_WAY) return true;
  sent.set(form, performance.now());
  return false;
}

/* Or it meets the page that the first one brought, and would decide there what nobody has seen yet. */
const ECHO = 500;
document.addEventListener("click", (event) => {
  if (event.detail < 2 || !event.target.closest("form[method=post] button")) return;
  const [shown] = performance.getEntriesByName("first-contentful-paint");
  if (event.timeStamp - (shown?.startTime ?? event.timeStamp) < ECHO) event.preventDefault();
}, { capture: true });

/* Kept by the browser as it was: what a form says it showed is of before it was sent, and a way back to that would count as
   no change. */
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  if ([...document.forms].some((form) => sent.has(form) && form.querySelector("[name=shown], [name=seen]"))) location.reload();
  for (const form of document.forms) sent.delete(form);
});
/* Who sets a filter goes on from it: the page that it brings begins where they were, as with the next arrow in a list. */
const FILTER = "crowdtune:filter";
document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-autosubmit]");
  if (!form) return;
  try {
    sessionStorage.setItem(FILTER, `${location.pathname} ${target.name}`);
  } catch {
    // Without storage the page begins at its start.
  }
  form.requestSubmit();
});

/* Dropzones: the file input covers the zone, so dropping works by itself; we show what was chosen. */
for (const zone of document.querySelectorAll(".dropzone")) {
  const input = zone.querySelector("input[type=file]");
  const output = zone.querySelector("output");
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, () => zone.classList.add("over"));
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  input?.addEventListener("change", () => {
    const files = [...input.files];
    if (output) output.textContent = files.length > 3 ? `${files.length} ${zone.dataset.files ?? "files"}` : files.map((f) => f.name).join(", ");
    if ("autosubmit" in zone.dataset && files.length) input.form.requestSubmit();
  });
}

for (const message of document.querySelectorAll(".toasts .toast.good")) setTimeout(() => message.remove(), 6000);

/* A form that came back is below what is seen, on a phone: begin where it was refused, or with what it was refused for. A
   preview beside what is being written takes no focus from there. */
function begin() {
  const told = document.querySelector("form .alert.bad[role=alert]");
  const wrong = document.querySelector("[aria-invalid=true], .question.invalid :is(textarea, select, button, input:not([type=hidden], :disabled))");
  if (told) told.tabIndex = -1;
  (wrong ?? (document.querySelector("[autofocus]") ? null : told ?? filtered()))?.focus({ preventScroll: !wrong && !told });
}
if (window === top) begin();

function filtered() {
  try {
    const [path, name] = sessionStorage.getItem(FILTER)?.split(" ") ?? [];
    sessionStorage.removeItem(FILTER);
    return path === location.pathname ? document.querySelector(`form[data-autosubmit] [name="${CSS.escape(name)}"]`) : null;
  } catch {
    return null;
  }
}

/* A part of the page that renews itself, as a run that is watched: the focus and what was scrolled stay where they were,
   and of what has changed a screen reader is told no more than what stands in data-say. */
const OPENS = "a[href], button, summary, input, select, textarea, [tabindex]";
const TELLS = ["id", "href", "name", "value", "aria-label", "aria-labelledby"];

function called(element) {
  const text = element.matches("a, button, summary") ? element.textContent.trim() : ""; // of a list, it grows
  return [element.tagName, ...TELLS.map((name) => element.getAttribute(name)), element.closest("form")?.action, text].join("|");
}

/* What can have the focus, by a name that it has again in the part that comes; the second of a name is told from the first. */
function places(root) {
  const found = new Map();
  for (const element of root.querySelectorAll(OPENS)) {
    if (element.disabled) continue;
    const name = called(element);
    let number = 1;
    while (found.has(`${name}#${number}`)) number += 1;
    found.set(`${name}#${number}`, element);
  }
  return found;
}

function says(root) {
  return [root, ...root.querySelectorAll("[data-say]")].map((element) => element.dataset.say).filter(Boolean);
}

const kept = new Map();
document.body.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  if (!target.id) return;
  const names = [...places(target)];
  const focused = names.find(([, element]) => element === document.activeElement)?.[0];
  const scrolled = names.filter(([, element]) => element.scrollTop || element.scrollLeft);
  kept.set(target.id, {
    said: says(target),
    focused: focused ?? (target.contains(document.activeElement) ? "" : null),
    scrolled: scrolled.map(([name, element]) => [name, element.scrollTop, element.scrollLeft]),
    opened: names.filter(([, element]) => element.matches("details[open] > summary")).map(([name]) => name),
  });
});
/* At once, before it is painted: what shuts for a moment moves all below it. When it settles htmx writes attributes anew. */
function reopen({ target: root }) {
  if (!kept.has(root.id)) return;
  const { scrolled, opened } = kept.get(root.id);
  const found = places(root);
  for (const name of opened) found.get(name)?.parentElement.setAttribute("open", "");
  for (const [name, top, left] of scrolled) found.get(name)?.scrollTo({ top, left });
}
document.body.addEventListener("htmx:afterSwap", reopen);
document.body.addEventListener("htmx:afterSettle", (event) => {
  const root = event.target;
  if (!kept.has(root.id)) return;
  reopen(event);
  const { said, focused } = kept.get(root.id);
  kept.delete(root.id);
  const news = says(root).filter((text) => !said.includes(text));
  if (news.length) document.getElementById("said").textContent = news.join(". ");
  if (focused === null || root.contains(document.activeElement)) return;
  // What had the focus may be gone with what it was for: go on from the part that told of it.
  const next = places(root).get(focused) ?? root;
  if (next === root) root.tabIndex = -1;
  next.focus({ preventScroll: true });
});

/* A part that renews itself every second is told once. */
const gone = new WeakSet(); // parts of what was deleted meanwhile, or is not for this person any more: they ask no more
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (gone.has(event.detail.elt)) event.preventDefault();
});
document.body.addEventListener("htmx:responseError", ({ detail: { xhr, elt, requestConfig } }) => {
  const isGone = requestConfig.verb === "get" && [403, 404].includes(xhr.status);
  if (isGone) gone.add(elt);
  const text = isGone ? root.dataset.gone : xhr.status === 401 ? root.dataset.signedOut : root.dataset.requestFailed;
  const told = [...document.querySelectorAll("#toasts .toast p")].some((element) => element.textContent === text);
  if (!told) toast(text, "bad");
});
/* So is who sent a form into a broken line; a part that renews itself asks again by itself. */
document.body.addEventListener("htmx:sendError", ({ detail: { requestConfig } }) => {
  if (requestConfig.verb !== "get") toast(root.dataset.requestFailed, "bad");
});

/* Whoever signed in again in another tab goes on in this one, whose forms hold the token of before. */
addEventListener("focus", () => {
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
  if (token) for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
});
