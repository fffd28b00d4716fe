/* A search above many choices, of which those that do not match are hidden; one that is chosen stays in sight. Enter takes
   the first that is left. */
const CHOICES = ".choices > .choice, .box-categories > .chip-choice";

/* `field`: the search. Returns what shows all of them again. */
export function narrow(field, root) {
  const parts = [...root.querySelectorAll(CHOICES)];
  const isChosen = (part) => part.querySelector("input").checked;

  function show() {
    const wanted = field.value.trim().toLocaleLowerCase();
    for (const part of parts) part.hidden = Boolean(wanted) && !isChosen(part) && !part.textContent.toLocaleLowerCase().includes(wanted);
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
    }
    whole();
  });
  return whole;
}
