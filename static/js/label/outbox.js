/* Answers wait here, on the device, until the server has them: a lost connection or a closed tab loses nothing.
   Each has an entry of its own: tabs hear of each other's writing late, and one that wrote a list of all would drop what
   another had just added to it. Where the device keeps nothing, since it is full or an app's window lets no page write,
   they wait in this page alone. Sending the same answer twice is harmless: the server stores one judgment for an
   assignment. */
const KEY = "crowdtune:outbox:"; // then whose, of which project, and of which assignment
const PAUSES = [500, 1000, 2000, 4000, 8000, 15000];

const device = reachable();

export class Outbox {
  #prefix;
  #unkept = new Map(); // what the device did not take, by id
  #send;
  #onChange;
  #onRefused;
  #running = false;
  #failures = 0;
  #denied = false;
  #timer = null;
  #flushing = Promise.resolve();
  #latest = 0;

  /* `send(item)` resolves to a state: "done", "refused" (give up on it) or "retry", with `denied` where it is not let in;
     a rejection is a "retry". `onElsewhere(items)` tells what waits after another tab has put something here, or sent it. */
  constructor({ user, project }, { send, onChange = () => {}, onRefused = () => {}, onElsewhere = () => {} }) {
    const key = `${KEY}${user}:${project}`;
    this.#prefix = `${key}:`;
    this.#send = send;
    this.#onChange = onChange;
    this.#onRefused = onRefused;
    this.#adopt(key);
    addEventListener("storage", (event) => {
      if (!event.key?.startsWith(this.#prefix)) return;
      onElsewhere(this.items());
      this.#tell(); // that tab may have sent what waited here
    });
    addEventListener("online", () => this.flush(true));
    document.addEventListener("visibilitychange", () => document.hidden || this.flush(true));
  }

  /* What a page left here that kept one list of all. */
  #adopt(key) {
    const items = parsed(key) ?? [];
    device?.removeItem(key);
    items.forEach((item, at) => this.#write({ at, ...item }));
  }

  /* What waits, in the order in which it was answered. */
  items() {
    const kept = named(this.#prefix).map(parsed);
    const found = kept.filter((item) => item && !this.#unkept.has(item.id));
    return [...found, ...this.#unkept.values()].sort((a, b) => a.at - b.at);
  }

  #has(id) {
    return this.items().some((item) => item.id === id);
  }

  #write(item) {
    try {
      device.setItem(this.#prefix + item.id, JSON.stringify(item));
      this.#unkept.delete(item.id);
    } catch {
      this.#unkept.set(item.id, item);
    }
  }

  #remove(id) {
    this.#unkept.delete(id);
    device?.removeItem(this.#prefix + id);
    this.#tell();
  }

  #tell() {
    this.#onChange({ waiting: this.items().length, failing: this.#failures > 0, denied: this.#denied });
  }

  push(item) {
    this.#latest = Math.max(Date.now(), this.#latest + 1);
    this.#write({ ...item, at: this.#latest });
    this.#tell();
    this.flush();
  }

  /* Take an answer back before it was sent; null when it may have arrived, though its reply was lost. */
  take(id) {
    const item = this.items().find((other) => other.id === id);
    if (!item || item.tried) return null;
    this.#remove(id);
    return item;
  }

  flush(now = false) {
    if (now) clearTimeout(this.#timer);
    if (!this.#running && this.items().length) this.#flushing = this.#sendAll();
  }

  async #sendAll() {
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
    if (!item.tried && this.#has(item.id)) this.#write({ ...item, tried: true });
    try {
      outcome = await this.#send(item);
    } catch {
      outcome = { state: "retry" };
    }
    if (outcome.state === "retry") {
      const pause = PAUSES[Math.min(this.#failures, PAUSES.length - 1)];
      this.#failures += 1;
      this.#denied = Boolean(outcome.denied);
      this.#tell();
      this.#timer = setTimeout(() => this.flush(), pause);
      return false;
    }
    this.#failures = 0;
    this.#denied = false;
    this.#remove(item.id);
    if (outcome.state === "refused") this.#onRefused(item, outcome.message);
    return true;
  }

  /* Resolves when what is on its way has arrived or was lost, or after `limit` milliseconds. */
  sent(limit) {
    return Promise.race([this.#flushing, new Promise((resolve) => setTimeout(resolve, limit))]);
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

function named(prefix) {
  return Object.keys(device ?? {}).filter((name) => name.startsWith(prefix));
}

/* Whose answers wait on the device, and of which projects: each pair as often as there are answers. */
export function waiting() {
  return named(KEY).map((name) => {
    const [user, project] = name.slice(KEY.length).split(":");
    return { user: Number(user), project };
  });
}

function parsed(name) {
  try {
    return JSON.parse(device.getItem(name));
  } catch {
    return null;
  }
}

function reachable() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
