/* Answers wait here, on the device, until the server has them: a lost connection or a closed tab loses nothing.
   Sending the same answer twice is harmless: the server stores one judgment for an assignment. */
const PAUSES = [500, 1000, 2000, 4000, 8000, 15000];

export class Outbox {
  #key;
  #send;
  #onChange;
  #onRefused;
  #running = false;
  #failures = 0;
  #denied = false;
  #timer = null;

  /* `send(item)` resolves to a state: "done", "refused" (give up on it) or "retry", with `denied` where it is not let in;
     a rejection is a "retry". `onElsewhere(items)` tells what waits after another tab has put something here. */
  constructor(key, { send, onChange = () => {}, onRefused = () => {}, onElsewhere = () => {} }) {
    this.#key = key;
    this.#send = send;
    this.#onChange = onChange;
    this.#onRefused = onRefused;
    addEventListener("storage", (event) => event.key === key && onElsewhere(this.items()));
    addEventListener("online", () => this.flush(true));
    document.addEventListener("visibilitychange", () => document.hidden || this.flush(true));
  }

  items() {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "[]");
    } catch {
      return [];
    }
  }

  #write(items) {
    if (items.length) localStorage.setItem(this.#key, JSON.stringify(items));
    else localStorage.removeItem(this.#key);
  }

  #save(items) {
    this.#write(items);
    this.#onChange({ waiting: items.length, failing: this.#failures > 0, denied: this.#denied });
  }

  push(item) {
    this.#save([...this.items().filter((other) => other.id !== item.id), item]);
    this.flush();
  }

  /* Take an answer back before it was sent; null when it may have arrived, though its reply was lost. */
  take(id) {
    const items = this.items();
    const item = items.find((other) => other.id === id) ?? null;
    if (!item || item.tried) return null;
    this.#save(items.filter((other) => other.id !== id));
    return item;
  }

  async flush(now = false) {
    if (now) clearTimeout(this.#timer);
    if (this.#running || !this.items().length) return;
    this.#running = true;
    try {
      for (let items = this.items(); items.length; items = this.items()) {
        if (!(await this.#deliver(items[0]))) break;
      }
    } finally {
      this.#running = false;
    }
  }

  async #deliver(item) {
    let outcome;
    if (!item.tried) this.#write(this.items().map((other) => (other.id === item.id ? { ...other, tried: true } : other)));
    try {
      outcome = await this.#send(item);
    } catch {
      outcome = { state: "retry" };
    }
    if (outcome.state === "retry") {
      const pause = PAUSES[Math.min(this.#failures, PAUSES.length - 1)];
      this.#failures += 1;
      this.#denied = Boolean(outcome.denied);
      this.#onChange({ waiting: this.items().length, failing: true, denied: this.#denied });
      this.#timer = setTimeout(() => this.flush(), pause);
      return false;
    }
    this.#failures = 0;
    this.#denied = false;
    this.#save(this.items().filter((other) => other.id !== item.id));
    if (outcome.state === "refused") this.#onRefused(item, outcome.message);
    return true;
  }

  /* Resolves when all is sent, or after `limit` milliseconds; true when all is sent. */
  async drained(limit = 10_000) {
    const end = performance.now() + limit;
    while (this.items().length && performance.now() < end) {
      this.flush();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return !this.items().length;
  }
}
