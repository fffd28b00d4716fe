/* Type-ahead over many options: a text field with a list below it, as the ARIA combobox pattern asks.
   Short lists are searched here, long ones by the server. Source: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ */
const MOST = 30;

export class Combo {
  #root;
  #input;
  #list;
  #empty;
  #choices;
  #chosen = null;
  #shown = [];
  #active = -1;
  #asking = null; // the search whose answer is on its way
  #names = new Map(); // key -> name of what was chosen, so that an undo can show it
  #timer = null;
  #picked = false; // the choice was picked, not only typed: the next Enter sends it
  #start = []; // what is listed before anything is typed

  constructor(root, choices) {
    this.#root = root;
    this.#choices = choices;
    this.#input = root.querySelector("input");
    this.#input.removeAttribute("list");
    this.#list = document.createElement("ul");
    this.#list.id = `${this.#input.id}-list`;
    this.#list.setAttribute("role", "listbox");
    this.#list.hidden = true;
    this.#list.tabIndex = -1; // it scrolls, which makes a stop for Tab of it; its keys are the field's
    this.#list.setAttribute("aria-label", this.#input.labels[0]?.textContent ?? "");
    const native = root.querySelector("datalist");
    Object.assign(this.#list, { lang: native.lang, dir: native.dir });
    native.replaceWith(this.#list);
    this.#empty = document.createElement("p");
    this.#empty.className = "empty-search";
    this.#empty.setAttribute("role", "status");
    root.append(this.#empty);
    const attributes = { role: "combobox", "aria-expanded": "false", "aria-controls": this.#list.id, "aria-autocomplete": "list" };
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

  name() {
    return this.#chosen?.name ?? null;
  }

  /* Something stands there that is none of the choices: a name typed in part, or one that several have. */
  isUnsettled() {
    return this.#chosen === null && this.#input.value.trim() !== "";
  }

  set(key) {
    this.#chosen = key === null ? null : (this.#choices?.find((choice) => choice.key === key) ?? { key, name: this.#names.get(key) ?? key });
    this.#input.value = this.#chosen?.name ?? "";
    this.#forget();
    if (this.#choices) this.#search("");
    else this.#show(this.#start);
    this.#empty.textContent = "";
    this.#picked = this.#chosen !== null;
    this.#activate(this.#shown.indexOf(this.#chosen)); // Enter must not take another one than what stands there
    if (!this.#choices && !this.#chosen && !this.#start.length) this.#typed(); // that list was not waited for
  }

  /* The name of a choice that may not be among those of the page. */
  learn(key, name) {
    if (name) this.#names.set(key, name);
  }

  focus() {
    this.#input.focus();
  }

  #typed() {
    const text = this.#input.value.trim();
    this.#chosen = this.#named(this.#choices ?? [], text);
    this.#picked = false;
    if (this.#choices) return this.#search(text);
    // What is on the list answers what stood there before: nothing of it may be taken.
    this.#forget();
    this.#activate(-1);
    let tell;
    const asking = { answered: new Promise((resolve) => (tell = resolve)) };
    this.#asking = asking;
    this.#timer = setTimeout(async () => {
      const found = await this.#ask(text);
      if (this.#asking === asking) {
        this.#asking = null;
        if (found) this.#take(found, text);
      }
      tell();
    }, 120);
    return undefined;
  }

  #take(found, text) {
    if (!text) this.#start = found;
    this.#chosen = this.#named(found, text);
    this.#show(found);
    if (!this.#chosen) return;
    this.#names.set(this.#chosen.key, this.#chosen.name);
    this.#input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#asking = null;
  }

  /* The one choice of this name; of two that share it, a person must pick. */
  #named(choices, text) {
    const same = choices.filter((choice) => choice.name.toLowerCase() === text.toLowerCase());
    return same.length === 1 ? same[0] : null;
  }

  #search(text) {
    const needle = text.toLocaleLowerCase();
    const all = this.#choices ?? [];
    const starts = all.filter((choice) => choice.name.toLocaleLowerCase().startsWith(needle));
    const within = (name) => (needle ? all.filter((choice) => choice[name]?.toLocaleLowerCase().includes(needle)) : []);
    this.#show([...new Set([...starts, ...within("name"), ...within("original")])]);
  }

  /* The choices that the server finds; null without a connection: the next letter asks again. */
  async #ask(text) {
    try {
      const response = await fetch(`${this.#root.dataset.search}&q=${encodeURIComponent(text)}`, { credentials: "same-origin" });
      return response.ok ? (await response.json()).results : null;
    } catch {
      return null;
    }
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
    this.#input.setAttribute("aria-expanded", String(!this.#list.hidden));
    const told = this.#shown.length || !this.#input.value.trim() ? "" : this.#root.dataset.empty;
    if (this.#empty.textContent !== told) this.#empty.textContent = told; // told once, not with each letter
    const named = this.#shown.indexOf(this.#chosen);
    this.#activate(this.#shown.length && this.#input.value ? Math.max(named, 0) : -1);
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
    this.#forget();
    this.#chosen = choice;
    this.#picked = true;
    this.#names.set(choice.key, choice.name);
    this.#input.value = choice.name;
    this.#root.dispatchEvent(new CustomEvent("choose", { bubbles: true, detail: choice }));
    this.#input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #key(event) {
    if (event.isComposing) return; // Enter ends the composition of an input method
    if (event.key === "Enter" && this.#asking && !event.repeat) {
      event.preventDefault();
      event.stopPropagation();
      const { answered } = this.#asking;
      const text = this.#input.value;
      // Enter is meant for the list of all that was typed, which is on its way.
      answered.then(() => this.#active >= 0 && this.#input.value === text && this.#choose(this.#shown[this.#active]));
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#shown.length) {
      event.preventDefault();
      this.#activate((this.#active + step + this.#shown.length) % this.#shown.length);
    } else if (event.key === "Enter" && this.#active >= 0 && !event.repeat) {
      if (this.#picked && this.#shown[this.#active] === this.#chosen) return;
      event.preventDefault();
      event.stopPropagation();
      this.#choose(this.#shown[this.#active]);
    } else if (event.key === "Escape" && this.#input.value) {
      event.stopPropagation();
      this.set(null);
      this.#input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }
}
