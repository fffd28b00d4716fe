/* Active seconds on a task: only while the page is seen, and a gap without any sign of life counts at most `cap`. */
export class Clock {
  #total = 0;
  #last = null;
  #cap;

  constructor({ cap = 30, target = document } = {}) {
    this.#cap = cap * 1000;
    const tick = () => this.#tick();
    for (const name of ["pointerdown", "pointermove", "keydown", "wheel", "scroll", "touchstart"]) {
      target.addEventListener(name, tick, { passive: true, capture: true });
    }
    target.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#tick();
      this.#last = document.hidden ? null : performance.now();
    });
  }

  start() {
    this.#total = 0;
    this.#last = document.hidden ? null : performance.now();
  }

  #tick() {
    if (this.#last === null) return;
    const now = performance.now();
    this.#total += Math.min(now - this.#last, this.#cap);
    this.#last = now;
  }

  seconds() {
    this.#tick();
    return Math.round(this.#total / 10) / 100;
  }
}
