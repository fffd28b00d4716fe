/* Type-ahead over many options: a text field with a list below it, as the ARIA combobox pattern asks.
   Short lists are searched here, long ones by the server. Source: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ */
const MOST = 30;

export class Combo {
  #root;
  #input;
  #list;
  #choices;
  #chosen = null;
  #shown = [];
  #active = -1;
  #timer = null;

  constructor(root, choices) {
    this.#root = root;
    this.#choices = choices;
    this.#input = root.querySelector("input");
    this.#input.removeAttribute("list");
    this.#list = document.createElement("ul");
    this.#list.id = `${this.#input.id}-list`;
    this.#list.setAttribute("role", "listbox");
    this.#list.setAttribute("aria-label", this.#input.labels[0]?.textContent ?? "");
    root.querySelector("datalist").replaceWith(this.#list);
    const attributes = { role: "combobox", "aria-expanded": "true", "aria-controls": this.#list.id, "aria-autocomplete": "list" };
    for (const [name, value] of Object.entries(attributes)) this.#input.setAttribute(name, value);
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => {
      const item = event.target.closest("li[data-index]");
      if (item) this.#choose(this.#shown[Number(item.dataset.index)]);
    });
    this.#typed();
  }

  value() {
    return this.#chosen?.key ?? null;
  }

  set(key) {
    this.#chosen = key === null ? null : (this.#choices?.find((choice) => choice.key === key) ?? { key, name: key });
    this.#input.value = this.#chosen?.name ?? "";
    this.#search("");
  }

  focus() {
    this.#input.focus();
  }

  #typed() {
    const text = this.#input.value.trim();
    this.#chosen = this.#choices?.find((choice) => choice.name.toLowerCase() === text.toLowerCase()) ?? null;
    clearTimeout(this.#timer);
    if (this.#choices) this.#search(text);
    else this.#timer = setTimeout(() => this.#ask(text), 120);
  }

  #search(text) {
    const needle = text.toLocaleLowerCase();
    const all = this.#choices ?? [];
    const starts = all.filter((choice) => choice.name.toLocaleLowerCase().startsWith(needle));
    const within = needle ? all.filter((choice) => !starts.includes(choice) && choice.name.toLocaleLowerCase().includes(needle)) : [];
    this.#show([...starts, ...within]);
  }

  async #ask(text) {
    const response = await fetch(`${this.#root.dataset.search}&q=${encodeURIComponent(text)}`, { credentials: "same-origin" });
    if (response.ok && this.#input.value.trim() === text) this.#show((await response.json()).results);
  }

  #show(choices) {
    this.#shown = choices.slice(0, MOST);
    this.#list.replaceChildren(
      ...this.#shown.map((choice, index) => {
        const item = document.createElement("li");
        item.id = `${this.#list.id}-${index}`;
        item.dataset.index = index;
        item.setAttribute("role", "option");
        item.textContent = choice.name;
        return item;
      }),
    );
    this.#list.hidden = !this.#shown.length;
    this.#activate(this.#shown.length && this.#input.value ? 0 : -1);
  }

  #activate(index) {
    this.#active = index;
    [...this.#list.children].forEach((item, at) => {
      item.setAttribute("aria-selected", String(at === index));
      if (at === index) item.scrollIntoView({ block: "nearest" });
    });
    if (index >= 0) this.#input.setAttribute("aria-activedescendant", `${this.#list.id}-${index}`);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  #choose(choice) {
    this.#chosen = choice;
    this.#input.value = choice.name;
    this.#root.dispatchEvent(new CustomEvent("choose", { bubbles: true, detail: choice }));
    this.#input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#shown.length) {
      event.preventDefault();
      this.#activate((this.#active + step + this.#shown.length) % this.#shown.length);
    } else if (event.key === "Enter" && this.#active >= 0) {
      event.preventDefault();
      event.stopPropagation();
      this.#choose(this.#shown[this.#active]);
    } else if (event.key === "Escape" && this.#input.value) {
      event.stopPropagation();
      this.set(null);
    }
  }
}
