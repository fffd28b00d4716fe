/* What undo and redo go back and forth through: whole states, each as it was before a change. */
const MOST = 200;

export class History {
  #past = [];
  #future = [];

  forget() {
    this.#past = [];
    this.#future = [];
  }

  remember(state) {
    this.#past.push(state);
    if (this.#past.length > MOST) this.#past.shift();
    this.#future = [];
  }

  /* The state before `now`, or undefined. */
  back(now) {
    return step(this.#past, this.#future, now);
  }

  forth(now) {
    return step(this.#future, this.#past, now);
  }
}

function step(from, to, now) {
  if (from.length) to.push(now);
  return from.pop();
}
