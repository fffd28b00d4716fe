/* Review by keyboard: a number decides, S puts the task off, B goes back to the one before, which G makes gold.
   Questions of a survey are chosen one by one, those that the choices before rule out are not shown, and Enter decides. */
import { holds } from "./label/conditions.js";
import { printed } from "./printed.js";
import { isOff } from "./single.js";

const form = document.querySelector("form[data-review]");

function choose(button) {
  if (button.type === "submit") {
    form.requestSubmit(button);
    return;
  }
  for (const other of button.parentElement.querySelectorAll(".decision")) other.setAttribute("aria-pressed", String(other === button));
  let field = form.querySelector(`input[type=hidden][name="${CSS.escape(button.name)}"]`);
  if (!field) {
    field = Object.assign(document.createElement("input"), { type: "hidden", name: button.name });
    form.append(field);
  }
  field.value = button.value;
  ask();
}

/* What is hidden is not sent on: the server asks no more of it either. */
function ask() {
  const answers = {};
  for (const group of form.querySelectorAll("fieldset[data-question]")) {
    group.hidden = !holds(JSON.parse(group.dataset.showIf ?? "null"), answers);
    const chosen = group.querySelector("[aria-pressed=true]");
    if (chosen && !group.hidden) answers[group.dataset.question] = JSON.parse(chosen.value);
  }
}
if (form) ask();

form?.addEventListener("click", (event) => {
  const button = event.target.closest(".decision[type=button]");
  if (button) choose(button);
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select") || isOff(event)) return;
  const key = printed(event).toLowerCase();
  // A question that nobody has answered may offer nothing to choose: the keys go on to the next.
  const open = form && [...form.querySelectorAll("fieldset:not([hidden]):has(.decision)")].find((group) => !group.querySelector("[aria-pressed=true]"));
  if (key === "enter" && form && !open && !event.target.closest("a, button, summary")) form.requestSubmit();
  const target = (open ?? form)?.querySelector(`.decision[data-key="${CSS.escape(key)}"]`) ?? document.querySelector(`:not(.decision)[data-key="${CSS.escape(key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.matches(".decision")) choose(target);
  else target.click();
});
