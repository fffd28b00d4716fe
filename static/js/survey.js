/* The builder: the preview follows what is typed. Which options a kind takes is shown by the style sheet. */
let timer = 0;

/* Each form sent into a frame is a step that the back button has to undo; into a new frame it is none. The old one stays
   on the screen until the new one has loaded. */
let made = 0;

function renew(button) {
  const old = document.querySelector(".preview-frame iframe:last-of-type");
  const fresh = old.cloneNode();
  fresh.removeAttribute("src");
  made += 1;
  fresh.name = `preview-${made}`;
  button.formTarget = fresh.name;
  fresh.classList.add("coming"); // out of sight, but laid out: Safari lays out a page that was not as if it were as narrow as a word
  old.after(fresh);
  fresh.addEventListener("load", () => {
    for (const frame of [...document.querySelectorAll(".preview-frame iframe")]) {
      if (frame === fresh) break;
      frame.remove();
    }
    fresh.classList.remove("coming");
  });
}

document.addEventListener("submit", (event) => {
  if (event.submitter?.id === "preview-button") renew(event.submitter);
}, { capture: true });

function refresh() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const form = document.getElementById("builder");
    form?.requestSubmit(document.getElementById("preview-button"));
  }, 500);
}

/* Who leaves with questions that are not saved is asked first, as long as one was written or moved. */
let isUnsaved = false;
addEventListener("beforeunload", (event) => {
  if (isUnsaved) event.preventDefault();
});
document.addEventListener("submit", ({ target, submitter, defaultPrevented }) => {
  if (target.closest("main") && submitter?.id !== "preview-button" && !defaultPrevented) isUnsaved = false;
});
function changed() {
  isUnsaved = true;
  refresh();
}
document.addEventListener("input", (event) => {
  if (event.target.closest("#builder")) changed();
});
document.body.addEventListener("htmx:afterSwap", changed);

/* A question whose kind changes has other options to look at, and a browser cannot point at what is wrong in a folded one. */
document.addEventListener("change", ({ target }) => {
  if (target.name?.endsWith("-kind")) target.closest(".question-edit").querySelector(".question-more").open = true;
});
document.addEventListener("invalid", ({ target }) => {
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}, { capture: true });

/* What is pressed while an answer is on its way would be answered without what that changes: it waits. */
let isAsked = false;
const waiting = [];
document.addEventListener("click", (event) => {
  const button = event.target.closest("#builder [hx-post]");
  if (!button || !isAsked) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  waiting.push(button.value);
}, { capture: true });
document.body.addEventListener("htmx:beforeRequest", ({ target }) => { isAsked ||= Boolean(target.closest("#builder")); });
for (const end of ["htmx:afterSettle", "htmx:sendError", "htmx:responseError"]) {
  document.body.addEventListener(end, () => {
    isAsked = false;
    if (waiting.length) document.querySelector(`#builder [value="${waiting.shift()}"]`)?.click();
  });
}

/* Who adds a question goes on by writing it, who moves one by its buttons, of which one is off at an end, and who removes one
   at the next: what was pressed is gone. */
const STEPS = { up: -1, down: 1, remove: 0 };
document.body.addEventListener("htmx:afterSettle", ({ detail: { requestConfig } }) => {
  const [verb] = String(requestConfig?.parameters?.action ?? "").split(":");
  const questions = [...document.querySelectorAll(".question-edit")];
  if (verb === "add") questions.at(-1)?.querySelector("[name$='-prompt']").focus();
  if (!(verb in STEPS)) return;
  const pressed = requestConfig.elt.closest(".question-edit");
  const before = [...pressed.parentElement.querySelectorAll(".question-edit")].indexOf(pressed);
  const question = questions[before + STEPS[verb]] ?? questions.at(-1);
  const next = verb === "remove" ? "[name$='-prompt']" : `[value^='${verb}:']:enabled`;
  const button = question?.querySelector(next) ?? question?.querySelector("[name=action]:enabled");
  button?.focus();
  button?.scrollIntoView({ block: "nearest" }); // it may have had the focus already, wherever the question has gone
});
