/* Every page: theme, menus, dialogs, copy buttons, toasts, dropzones, confirmations. No page needs it to work. */
import { toast } from "./toast.js";

const YEAR = 31_536_000;
const root = document.documentElement;

/* Theme: the cookie lets the server paint the right one before any script runs. */
function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.cookie = `theme=${theme};path=/;max-age=${YEAR};samesite=lax`;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy) ?? button.closest(".code")?.querySelector("pre");
  const text = button.dataset.copyText ?? source?.value ?? source?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trim());
    toast(button.dataset.copied ?? root.dataset.copied, "good");
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(source);
    toast(root.dataset.copyFailed, "warn");
  }
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-theme-choice], [data-copy], [data-copy-text], [data-dialog], [data-close], [data-dismiss]");
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (!target) return;
  if (target.dataset.themeChoice) setTheme(target.dataset.themeChoice);
  else if ("copy" in target.dataset || "copyText" in target.dataset) copy(target);
  else if (target.dataset.dialog) document.getElementById(target.dataset.dialog)?.showModal();
  else if ("close" in target.dataset) target.closest("dialog")?.close();
  else if ("dismiss" in target.dataset) target.closest(".toast, .alert")?.remove();
});

/* A click on the backdrop closes a dialog; Escape closes menus and gives the focus back. */
document.addEventListener("mousedown", (event) => {
  if (event.target instanceof HTMLDialogElement && event.target.matches(".dialog")) event.target.close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

/* <form data-confirm="Really?"> and, for a form that only leaves a filter, <form data-autosubmit>. */
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
document.addEventListener("change", (event) => {
  event.target.closest("form[data-autosubmit]")?.requestSubmit();
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

document.body.addEventListener("htmx:responseError", () => toast(root.dataset.requestFailed, "bad"));
