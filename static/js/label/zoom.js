/* A closer look at an image that is only looked at: a click on it, or z, brings it three times as large, and a strip as much
   larger as its pixels and the window allow; it is moved by dragging, by fingers, the wheel or the arrow keys. What is drawn
   on it grows with it. */
import { icon } from "../toast.js";

const TIMES = 3;
const CLICK = 4; // CSS pixels: less movement than this is a click

export class Zoom {
  #figure;
  #button = document.createElement("button");
  #held = null; // where a mouse holds the image
  #dragged = false;
  #before = null; // what had the focus

  constructor(stage, figure, words) {
    this.#figure = figure;
    Object.assign(this.#button, { type: "button", className: "button square zoom", title: words.closer });
    this.#button.setAttribute("aria-label", words.closer);
    this.#button.append(icon("zoom-in"));
    this.#button.addEventListener("click", () => this.toggle());
    stage.append(this.#button);
    stage.classList.add("zoomable");
    figure.setAttribute("aria-label", words.alt);
    // The second click of a double one would take back what the first has done.
    figure.addEventListener("click", (event) => this.#dragged || event.detail > 1 || this.toggle(event));
    figure.addEventListener("dragstart", (event) => event.preventDefault()); // the browser's own, of a picture
    figure.addEventListener("pointerdown", (event) => this.#hold(event));
    addEventListener("pointermove", (event) => this.#drag(event));
    for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, () => (this.#held = null));
    this.whole();
  }

  /* Closer about a point of the screen, the middle unless told; or the whole image again. */
  toggle(at = null) {
    const closer = !this.#figure.classList.contains("closer");
    this.whole();
    if (!closer) return;
    const { left, top, width, height } = this.#figure.getBoundingClientRect();
    const [x, y] = at ? [at.clientX - left, at.clientY - top] : [width / 2, height / 2];
    const times = this.#times(width, height);
    this.#before = document.activeElement;
    this.#figure.style.setProperty("--times", times);
    this.#figure.classList.add("closer");
    this.#button.setAttribute("aria-pressed", "true");
    this.#figure.tabIndex = 0; // the arrow keys move it
    this.#figure.focus({ preventScroll: true });
    this.#figure.scrollTo({ left: x * (times - 1), top: y * (times - 1), behavior: "instant" });
  }

  /* Three times would leave a receipt or a line of writing too small to read: it fills the window, or shows each pixel. */
  #times(width, height) {
    const { naturalWidth, naturalHeight } = this.#figure.querySelector("img");
    const [across, down] = [width / naturalWidth, height / naturalHeight];
    const whole = Math.min(across, down);
    return Math.max(TIMES, Math.min(1, Math.max(across, down)) / whole || TIMES);
  }

  whole() {
    if (document.activeElement === this.#figure) this.#before.focus({ preventScroll: true });
    this.#figure.classList.remove("closer");
    this.#figure.removeAttribute("tabindex");
    this.#button.setAttribute("aria-pressed", "false");
  }

  #hold(event) {
    this.#dragged = false;
    if (event.pointerType !== "mouse" || event.button !== 0 || !this.#figure.classList.contains("closer")) return;
    this.#figure.focus({ preventScroll: true });
    this.#held = { x: event.clientX, y: event.clientY, left: this.#figure.scrollLeft, top: this.#figure.scrollTop };
  }

  #drag({ clientX, clientY }) {
    if (!this.#held) return;
    const { x, y, left, top } = this.#held;
    this.#dragged ||= Math.hypot(clientX - x, clientY - y) >= CLICK;
    this.#figure.scrollTo({ left: left + x - clientX, top: top + y - clientY, behavior: "instant" });
  }
}
