/* A search above many choices, of which those that do not match are hidden; one that is chosen stays in sight. Enter takes
   the first that is left. What is ticked stands beside the search, too, where a press takes it out again. */
import { icon } from "../toast.js";

const CHOICES = ".choices > .choice, .box-categories > .chip-choice";

/* `field`: the search. Returns what shows all of them again, and what tells which are ticked. */
export function narrow(field, root) {
  const parts = [...root.querySelectorAll(CHOICES)];
  const named = parts.map((part) => [...part.childNodes].filter(({ nodeName }) => nodeName !== "KBD").map(({ textContent }) => textContent).join("").toLocaleLowerCase());
  const isChosen = (part) => part.querySelector("input").checked;
  const none = Object.assign(document.createElement("p"), { className: "empty-search", role: "status" });
  parts[0].parentElement.after(none);

  function show() {
    const wanted = field.value.trim().toLocaleLowerCase();
    const found = parts.filter((_part, at) => named[at].includes(wanted));
    for (const part of parts) part.hidden = !found.includes(part) && !isChosen(part);
    const told = found.length ? "" : field.dataset.empty;
    if (none.textContent !== told) none.textContent = told; // told once, not with each letter
  }
  function whole() {
    field.value = "";
    show();
  }

  field.addEventListener("input", (event) => {
    event.stopPropagation(); // it answers nothing
    show();
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || !field.value || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault(); // it neither sends the task nor ends a closer look
    if (event.key === "Enter") {
      const found = parts.find((part) => !part.hidden && !isChosen(part));
      if (!found) return;
      found.querySelector("input").click();
      heard(found, root);
    }
    whole();
  });
  return { whole, tell: () => tell(root.querySelector(".chosen"), parts.filter(isChosen), field) };
}

/* What Enter took is seen beside the search, where the focus stays: it is told, too. */
function heard(part, root) {
  const announce = document.getElementById("announce");
  const list = root.querySelector(".chosen"); // of boxes: the editor tells of the box that gets the category
  if (announce && list) announce.textContent = `${list.getAttribute("aria-label")}: ${part.querySelector(".name").textContent}`;
}

/* Only what has changed is touched: a press that takes the focus from the search, which tells of a change by that, would
   else fall on a button that is gone, and the focus would be lost with each key that ticks another choice. */
function tell(list, parts, field) {
  if (!list) return; // of boxes: one category is chosen, and stands first
  const isOf = (part, item) => item?.dataset.chosen === part.dataset.choice;
  for (const item of [...list.children]) if (!parts.some((part) => isOf(part, item))) item.remove();
  parts.forEach((part, at) => {
    const there = list.children[at] ?? null;
    if (!isOf(part, there)) list.insertBefore(chip(part, list, field), there);
  });
  list.hidden = !parts.length;
}

function chip(part, list, field) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const remove = document.createElement("span");
  item.dataset.chosen = part.dataset.choice;
  Object.assign(button, { type: "button", className: "button small" });
  Object.assign(remove, { className: "visually-hidden", textContent: ` ${list.dataset.remove}` });
  button.append(part.querySelector(".name").cloneNode(true), remove, icon("x"));
  button.addEventListener("click", () => {
    const at = [...list.children].indexOf(item);
    part.querySelector("input").click();
    const left = list.querySelectorAll("button");
    (left[at] ?? [...left].at(-1) ?? field).focus();
  });
  item.append(button);
  return item;
}
