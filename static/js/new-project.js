/* The question's wording follows the starting point, until a person has typed their own. */
const prompt = document.querySelector("input[name=prompt]");
const starters = document.querySelectorAll("input[name=starter]");

function suggest(radio) {
  if (radio?.checked) prompt.placeholder = radio.dataset.prompt;
}

for (const radio of starters) radio.addEventListener("change", () => suggest(radio));
suggest(document.querySelector("input[name=starter]:checked"));
