/* Beside the box that somebody works on: a category of its own, and its end. The categories of the page are the next
   box's, so what is drawn already is changed here, or in the list. */
import { icon } from "../toast.js";
import { printed } from "../printed.js";

const GAP = 4; // CSS pixels between the bar and what its box's handles need

export class Bar {
  #element = document.createElement("div");
  #select = document.createElement("select");
  #button = document.createElement("button");

  /* `options`: of the categories; `onLeave`: the bar is done with by keys. */
  constructor(stage, words, options, { onCategory, onDelete, onLeave }) {
    this.words = words;
    Object.assign(this.#element, { className: "box-bar", hidden: true });
    this.#element.setAttribute("role", "group");
    this.#select.className = "select";
    this.#select.title = words.its_category;
    this.#name("", words.category, words.delete);
    this.#select.append(...options.map((option) => option.cloneNode(true)));
    Object.assign(this.#button, { type: "button", className: "button ghost square", title: words.delete });
    this.#button.append(icon("trash-2"));
    if (options.length > 1) this.#element.append(this.#select);
    this.#element.append(this.#button);
    stage.querySelector(".boxes-tools").before(this.#element);
    // Who chose with a pointer goes on drawing: the next digit is the next box's. By keys a list is stepped through.
    let byKeys = false;
    this.#select.addEventListener("pointerdown", () => (byKeys = false));
    this.#select.addEventListener("change", () => {
      onCategory(this.#select.value);
      if (!byKeys) onLeave();
    });
    this.#button.addEventListener("click", onDelete);
    this.#select.addEventListener("keydown", (event) => {
      byKeys = true;
      const chosen = document.querySelector(`.box-categories [data-key="${CSS.escape(printed(event))}"]`);
      if (chosen && !event.ctrlKey && !event.metaKey && !event.altKey) onCategory(chosen.value);
      else if (!["Escape", "Enter"].includes(event.key)) return;
      leave(event);
    });
    this.#button.addEventListener("keydown", (event) => event.key === "Escape" && leave(event));

    function leave(event) {
      event.preventDefault();
      event.stopPropagation();
      onLeave();
    }
  }

  get choosesAmongSeveral() {
    return this.#select.isConnected;
  }

  focus() {
    this.#select.focus({ preventScroll: true });
  }

  hide() {
    if (this.#element.contains(document.activeElement)) this.#element.parentElement.focus({ preventScroll: true });
    this.#element.hidden = true;
  }

  /* `name`: of the box; `place`: of its frame on the stage; `room`: what can be drawn on. */
  show({ category }, name, colour, place, room) {
    this.#element.hidden = false;
    this.#name(name, `${name}: ${this.words.category}`, `${this.words.delete}: ${name}`);
    if (this.#select.value !== category) this.#select.value = category;
    this.#element.style.setProperty("--c", colour);
    const { offsetWidth: width, offsetHeight: height } = this.#element;
    const reach = parseFloat(getComputedStyle(this.#element).getPropertyValue("--reach")) * 1.5 + GAP; // small boxes have handles further out
    const above = place.top - reach - height;
    const below = place.top + place.height + reach;
    const inside = Math.max(place.top, 0) + reach;
    const top = above >= 0 ? above : below + height <= room.height ? below : inside;
    const left = place.left + (place.width - width) / 2;
    const within = (value, most) => Math.min(Math.max(value, 0), Math.max(most, 0));
    this.#element.style.transform = `translate(${within(left, room.width - width)}px, ${within(top, room.height - height)}px)`;
  }

  #name(box, category, end) {
    this.#element.setAttribute("aria-label", box);
    this.#select.setAttribute("aria-label", category);
    this.#button.setAttribute("aria-label", end);
  }
}
