/* On a phone the row of tabs scrolls: show the one that is open. */
const row = document.querySelector("nav.tabs");
const open = row?.querySelector("[aria-current]");
if (open) row.scrollLeft = open.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;

const sections = document.querySelector(".settings-nav");
const chosen = sections?.querySelector("[aria-current]");
if (chosen) sections.scrollLeft = chosen.offsetLeft - (sections.clientWidth - chosen.offsetWidth) / 2;

/* What an import brought in is shown when it ends: at once, or when an open dialog is closed or an upload has ended. */
document.body.addEventListener("import-ended", () => {
  if (document.body.dataset.uploading) return; // its own end shows it
  const dialog = document.querySelector("dialog[open]");
  if (dialog) dialog.addEventListener("close", () => location.reload(), { once: true });
  else location.reload();
});

/* Images are chosen one by one, all of a page, or with Shift from the last one on. */
const picks = [...document.querySelectorAll(".pick input")];
let last = -1;
document.querySelector("[data-choose-all]")?.addEventListener("click", () => {
  for (const pick of picks) pick.checked = true;
});
document.addEventListener("click", ({ target, shiftKey }) => {
  const here = picks.indexOf(target);
  if (here < 0) return;
  if (shiftKey && last >= 0) for (const pick of picks.slice(Math.min(here, last), Math.max(here, last))) pick.checked = target.checked;
  last = here;
});

/* A file of labels tells its format by its ending, where one format alone has it. */
const FORMATS = { csv: "csv", jsonl: "jsonl", parquet: "parquet", xml: "cvat" };
document.addEventListener("change", ({ target }) => {
  const choice = target.type === "file" && target.form?.elements.namedItem("form");
  const format = FORMATS[target.files?.[0]?.name.split(".").at(-1).toLowerCase()];
  if (choice && format) choice.value = format;
});

/* An archived project refuses changes: what would make one, or opens a dialog for one, is off from the start, and says why. */
const archived = document.querySelector(".alert.archived p")?.firstChild.textContent.trim();
const CHANGES = 'form[method="post"]:not([data-even-archived])';

function rest(root) {
  const fields = [...root.querySelectorAll(`main ${CHANGES}`)].flatMap(({ elements }) => [...elements]);
  const openers = [...root.querySelectorAll("main [data-dialog]")].filter(({ dataset }) => document.querySelector(`#${dataset.dialog} ${CHANGES}`));
  for (const field of [...openers, ...fields.filter(({ type }) => !["hidden", "button"].includes(type))]) {
    if ("evenArchived" in field.dataset) continue;
    field.disabled = true;
    field.title = archived;
  }
}

if (archived) {
  rest(document);
  document.body.addEventListener("htmx:load", () => rest(document));
}
