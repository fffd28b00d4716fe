/* The question's wording follows the starting point, until a person has typed their own. What the server would refuse is
   said before anything is sent: a form that comes back has lost the images that were chosen, and they may be many. */
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
