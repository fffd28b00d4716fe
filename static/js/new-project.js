/* The question's wording follows the starting point, until a person has typed their own. What the server would refuse is
   said before anything is sent: a form that comes back has lost the images that were chosen, and they may be many. */
import { foldersIn, opened, pathOf, usable } from "./dropped.js";

const prompt = document.querySelector("input[name=prompt]");
const categories = document.querySelector("textarea[name=categories]");
const create = document.getElementById("create");
const wording = create.textContent;

function ask() {
  const radio = document.querySelector("input[name=starter]:checked");
  if (!radio) return;
  prompt.placeholder = radio.dataset.prompt;
  const { needs, short } = radio.closest(".starter").dataset;
  const names = categories.value.split(/[\n\r\t;,]+/).map((name) => name.trim());
  categories.setCustomValidity(new Set(names.filter(Boolean)).size < Number(needs) ? short : "");
}

categories.addEventListener("input", ask);
for (const radio of document.querySelectorAll("input[name=starter]")) radio.addEventListener("change", ask);
ask();

/* The images of a dropped folder are sent with the form as those that were chosen are, and their folders beside them. */
const zone = create.form.querySelector(".dropzone");
const input = zone.querySelector("input[type=file]");
const paths = document.createElement("span");
create.form.append(paths);

input.addEventListener("change", () => {
  paths.replaceChildren();
  input.setCustomValidity(input.files.length > Number(zone.dataset.most) ? zone.dataset.tooMany : "");
});
zone.addEventListener("drop", async (event) => {
  const entries = foldersIn(event);
  if (!entries) return;
  zone.classList.remove("over");
  const files = usable(await opened(entries), zone.dataset.skipped);
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change"));
  for (const file of files) {
    paths.append(Object.assign(document.createElement("input"), { type: "hidden", name: "paths", value: pathOf(file) }));
  }
});

/* Images take a while to send: a second press would make a second project. */
create.form.addEventListener("submit", () => {
  create.disabled = true;
  create.textContent = create.dataset.sending;
});
addEventListener("pageshow", () => {
  create.disabled = false;
  create.textContent = wording;
  ask();
});
