/* The boxes as a table: what a screen reader reads, and number fields to set a box exactly without a pointer. */
import { icon } from "../toast.js";

const SHORT = 5; // characters of a category's name that fit beside the numbers
const SIDES = ["x", "y", "width", "height"];

export class List {
  constructor(table, words, { onEdit, onCategory, onDelete, onSelect }) {
    this.body = table.tBodies[0];
    this.words = words;
    this.rows = new Map(); // box id -> row
    this.sides = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent); // in the reader's language
    this.options = [...this.body.querySelector("select").options]; // each with its language
    table.classList.toggle("tall", this.options.some(({ text }) => text.length > SHORT));
    this.body.replaceChildren();
    this.body.addEventListener("change", (event) => {
      const row = event.target.closest("tr");
      if (event.target.matches("select")) onCategory(row.dataset.id, event.target.value);
      else onEdit(row.dataset.id, [...row.querySelectorAll("input")].map((input) => Number(input.value || NaN)));
    });
    this.body.addEventListener("focusin", (event) => onSelect(event.target.closest("tr").dataset.id));
    this.body.addEventListener("click", (event) => {
      if (event.target.closest("button")) onDelete(event.target.closest("tr").dataset.id);
    });
  }

  /* Bring the rows in line with the boxes; only what changed is touched. `isHeld`: somebody took hold of the selected one. */
  show(boxes, selected, isHeld) {
    this.body.parentElement.hidden = !boxes.length;
    const wanted = new Set(boxes.map((box) => box.id));
    for (const [id, row] of this.rows) {
      if (!wanted.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    boxes.forEach((box, index) => {
      const row = this.rows.get(box.id) ?? this.#row(box);
      this.#fill(row, box, index);
      row.setAttribute("aria-selected", String(box.id === selected));
      if (this.body.rows[index] !== row) this.body.insertBefore(row, this.body.rows[index] ?? null);
    });
    // After one that is drawn comes the next: its category, above the rows, stays where it can be chosen. By finger always.
    const isByFinger = matchMedia("(pointer: coarse)").matches;
    if (selected && isHeld && !isByFinger) this.rows.get(selected)?.scrollIntoView({ block: "nearest" });
  }

  #row(box) {
    const row = document.createElement("tr");
    row.dataset.id = box.id;
    const select = document.createElement("select");
    select.className = "select";
    select.append(...this.options.map((option) => option.cloneNode(true)));
    row.insertCell().append(select);
    for (const side of SIDES) {
      const input = document.createElement("input");
      Object.assign(input, { className: "input", type: "number", step: "any" });
      input.dataset.side = side;
      row.insertCell().append(input);
    }
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button ghost square small" });
    button.append(icon("trash-2"));
    row.insertCell().append(button);
    this.rows.set(box.id, row);
    return row;
  }

  #fill(row, box, index) {
    const name = this.words.box.replace("%s", index + 1);
    const select = row.querySelector("select");
    if (select.value !== box.category) select.value = box.category;
    select.setAttribute("aria-label", `${name}: ${this.words.category}`);
    row.querySelectorAll("input").forEach((input, side) => {
      if (input.value !== String(box.box[side])) input.value = box.box[side];
      input.setAttribute("aria-label", `${name}: ${this.sides[side]}`);
    });
    row.querySelector("button").setAttribute("aria-label", `${this.words.delete}: ${name}`);
  }
}
