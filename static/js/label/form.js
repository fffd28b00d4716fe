/* The questions of one task: reading, writing, showing and checking answers in the page's own form. */
import { holds } from "./conditions.js";
import { narrow } from "./narrow.js";

const CANT_TELL = "cant_tell";

const READ = {
  yes_no: (field) => ({ yes: true, no: false })[checked(field)[0]] ?? null,
  single_choice: (field) => field.combo?.value() ?? checked(field)[0] ?? null,
  multiple_choice: (field) => (field.none?.checked ? [] : nonEmpty(checked(field))),
  rating: (field) => numberOrNull(checked(field)[0]),
  text: (field) => field.root.querySelector("textarea").value.trim() || null,
  number: (field) => numberOrNull(field.root.querySelector("input[type=number]").value),
  boxes: (field) => (field.none?.checked ? [] : nonEmpty(field.boxes?.value() ?? [])),
};

function checked(field) {
  return [...field.root.querySelectorAll(`[name="${CSS.escape(field.name)}"]:checked`)].map((input) => input.value);
}
function nonEmpty(list) {
  return list.length ? list : null;
}
function numberOrNull(text) {
  return text === undefined || text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

/* An answer as the form's controls have it. */
function spelled(value) {
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

/* A number field whose browser writes a decimal point drops a comma without a word: 3,5 would be 35. */
function pointed(event) {
  if (event.target.type !== "number" || !/^\s*-?\d*,\d*\s*$/.test(event.data ?? "") || (1.5).toLocaleString().includes(",")) return;
  event.preventDefault();
  document.execCommand("insertText", false, event.data.trim().replace(",", "."));
}

class Field {
  #narrowed = null; // a search among many choices
  #typed; // fields to write in, which say by themselves that they are wrong

  constructor(root, question) {
    this.root = root;
    this.question = question;
    this.key = question.key;
    this.kind = question.kind;
    this.name = `a.${question.key}`;
    this.none = root.querySelector("[data-none]");
    this.cant = root.querySelector(`input[value="${CANT_TELL}"]`);
    this.problem = root.querySelector(".error");
    this.combo = null;
    this.boxes = null;
    this.#typed = root.querySelectorAll("textarea, .combo > input, input[type=number]:not(table *)");
    this.#exclusive();
    const search = root.querySelector("[data-narrow]");
    if (search) this.#narrowed = narrow(search, root);
    if (question.kind === "text") this.#unbound(root.querySelector("textarea"));
    if (question.kind === "number" && !question.options?.whole) root.addEventListener("beforeinput", pointed);
  }

  /* A browser would cut off what is pasted, without a word: what is too long is told instead. */
  #unbound(area) {
    this.longest = area.maxLength;
    area.removeAttribute("maxlength");
  }

  /* "None of these" and "I can't tell" exclude the other answers. */
  #exclusive() {
    // "input" too: Enter sends before a text field tells that it has changed.
    for (const name of ["change", "input"]) this.root.addEventListener(name, (event) => this.#exclude(event));
  }

  #exclude(event) {
    const alone = [this.none, this.cant].filter((input) => input?.type === "checkbox");
    if (alone.includes(event.target) && event.target.checked) {
      for (const input of this.root.querySelectorAll("input:checked")) {
        if (input !== event.target && !this.#isOfNextBox(input)) input.checked = false;
      }
      if (event.target === this.none) this.boxes?.clear();
    } else if (event.target.name === this.name) {
      for (const input of alone) input.checked = false;
    } else if (event.target === this.root && this.cant) this.cant.checked = false; // the boxes editor tells of a change
  }

  /* The category that the next box gets is a tool's setting and no answer: it stays from image to image. The whole name is
     compared, since a question may itself have the key "category". */
  #isOfNextBox(input) {
    return input.name === `${this.name}.category`;
  }

  get shown() {
    return !this.root.hidden;
  }

  value() {
    if (this.cant?.checked) return CANT_TELL;
    return READ[this.kind](this);
  }

  set(value) {
    this.#narrowed?.whole();
    for (const input of this.root.querySelectorAll("input:is([type=radio], [type=checkbox])")) {
      if (!this.#isOfNextBox(input)) input.checked = false;
    }
    // A choice that is sent at once and comes back by an undo shows what had been pressed.
    for (const choice of this.root.querySelectorAll("button.choice")) {
      if (value !== null && choice.value === spelled(value)) choice.setAttribute("aria-pressed", "true");
      else choice.removeAttribute("aria-pressed");
    }
    const area = this.root.querySelector("textarea, input[type=number]:not(table *)");
    if (area) area.value = "";
    this.combo?.set(null);
    this.boxes?.set(this.kind === "boxes" && Array.isArray(value) ? value : []);
    this.say("");
    if (value === null || value === undefined) return;
    if (value === CANT_TELL) {
      if (this.cant) this.cant.checked = true;
    } else if (Array.isArray(value) && !value.length) {
      if (this.none) this.none.checked = true;
    } else if (this.combo) this.combo.set(value);
    else if (area) area.value = value;
    else if (this.kind !== "boxes") {
      const values = [value].flat().map(spelled);
      for (const input of this.root.querySelectorAll(`[name="${CSS.escape(this.name)}"]`)) input.checked = values.includes(input.value);
    }
  }

  /* What the server would refuse of the answer, told while it still stands in the form; "" when it is good. */
  doubt(words) {
    const value = this.value();
    const { least, most, whole } = this.question.options ?? {};
    const input = this.kind === "number" ? this.root.querySelector("input[type=number]") : null;
    if (value === CANT_TELL) return "";
    if (input?.validity.badInput) return words.number;
    if (value === null) return this.combo?.isUnsettled() ? words.from_list : "";
    if (this.kind === "text" && [...value].length > this.longest) return words.too_long.replace("%s", this.longest);
    const amount = { number: value, multiple_choice: value.length }[this.kind];
    if (amount === undefined) return "";
    if (whole && !Number.isInteger(amount)) return words.whole_number;
    if (amount < (least ?? -Infinity)) return words.at_least.replace("%s", least);
    if (amount > (most ?? Infinity)) return words.at_most.replace("%s", most);
    return "";
  }

  tellChosen() {
    this.#narrowed?.tell();
  }

  say(problem) {
    this.problem.textContent = problem;
    this.root.classList.toggle("invalid", Boolean(problem));
    for (const control of this.#typed) control.setAttribute("aria-invalid", Boolean(problem));
  }

  /* The options in the order that the server drew for this task. */
  arrange(order) {
    if (!order) return;
    const list = this.root.querySelector(".choices");
    const parts = list ? [...list.children].filter((part) => part.dataset.choice !== undefined && part.dataset.choice !== CANT_TELL) : [];
    parts.sort((a, b) => order.indexOf(a.dataset.choice) - order.indexOf(b.dataset.choice));
    const last = list?.querySelector(`[data-choice="${CANT_TELL}"]`);
    parts.forEach((part, index) => {
      list.insertBefore(part, last);
      const key = index < 9 ? String(index + 1) : "";
      const holder = part.matches("button") ? part : part.querySelector("input");
      if (holder.dataset.key !== undefined) holder.dataset.key = key;
      if (key) holder.setAttribute("aria-keyshortcuts", key);
      else holder.removeAttribute("aria-keyshortcuts");
      const cap = part.querySelector("kbd");
      if (cap) cap.textContent = key;
    });
  }
}

export class Form {
  #asked = null; // where it stands that nothing is answered

  constructor(root, questions, { words }) {
    this.words = words;
    this.fields = questions.map((question) => new Field(root.querySelector(`[data-question="${CSS.escape(question.key)}"]`), question));
    this.root = root;
    root.addEventListener("change", () => this.update());
    root.addEventListener("input", () => this.update());
  }

  /* The answers of the questions that are shown, in order: a hidden question's answer does not count, nor open another. */
  answers() {
    const answers = {};
    for (const field of this.fields) {
      if (!holds(field.question.show_if, answers)) continue;
      const value = field.value();
      if (value !== null) answers[field.key] = value;
    }
    return answers;
  }

  update() {
    const answers = {};
    for (const field of this.fields) {
      const shown = holds(field.question.show_if, answers);
      field.root.hidden = !shown;
      field.boxes?.ask();
      field.tellChosen();
      if (!shown) continue;
      const value = field.value();
      if (value !== null) {
        answers[field.key] = value;
        field.say("");
      }
    }
    if (Object.keys(answers).length) this.#asked?.say("");
  }

  /* The first question that still needs an answer, or another one, told to the person; null when all is well. */
  missing() {
    const answers = this.answers();
    let first = null;
    for (const field of this.fields) {
      const doubt = field.shown ? field.doubt(this.words) : "";
      const lacks = field.shown && field.question.required && !(field.key in answers);
      const wanted = field.kind === "boxes" ? this.words.required_boxes : this.words.required;
      field.say(doubt || (lacks ? wanted : ""));
      if (doubt || lacks) first ??= field;
    }
    if (first || Object.keys(answers).length) return first;
    // Where each question may be left out, one of them must be answered all the same.
    this.#asked = this.fields.find((field) => field.shown);
    this.#asked?.say(this.words.required_one);
    return this.#asked;
  }

  /* What the answers are called that come back: a choice among many is not on the page. */
  learn({ answers, names = {} }) {
    for (const field of this.fields) field.combo?.learn(answers[field.key], names[field.key]);
  }

  reset(order, answers = {}) {
    for (const field of this.fields) {
      field.set(answers[field.key] ?? null);
      field.arrange(order?.[field.key]);
    }
    this.update();
    this.root.scrollTop = 0;
  }

  /* Whether the focus is behind the first question, where the next task does not begin: on Send, or in a later answer. */
  isPassed(element) {
    const first = this.fields.find((field) => field.shown);
    return element?.id === "submit" || (this.root.contains(element) && element !== this.root && !first?.root.contains(element));
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  get boxes() {
    return this.fields.map((field) => field.boxes).filter(Boolean);
  }
}
