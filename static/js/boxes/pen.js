/* Beside the pointer of a mouse or a pen that could draw: the category that the next box gets. A finger would cover it. */

export class Pen {
  #stage;
  #tag = document.createElement("div");

  constructor(stage) {
    this.#stage = stage;
    Object.assign(this.#tag, { className: "box-pen", hidden: true });
    this.#tag.setAttribute("aria-hidden", "true");
    stage.append(this.#tag);
    stage.addEventListener("pointermove", (event) => this.#follow(event));
    stage.addEventListener("pointerdown", () => (this.#tag.hidden = true));
    stage.addEventListener("pointerleave", () => (this.#tag.hidden = true));
  }

  hold(name, colour) {
    this.#tag.textContent = name;
    this.#tag.style.setProperty("--c", colour);
  }

  /* Above the pointer and on its far side, where a box that begins there leaves it in sight. */
  #follow({ clientX, clientY, pointerType, buttons, target }) {
    const busy = Boolean(target.closest(".boxes-tools, .box-bar, [data-handle], .loading, .broken"));
    this.#tag.hidden = pointerType === "touch" || buttons > 0 || busy || this.#stage.matches(".not-ready, .not-asked");
    if (this.#tag.hidden) return;
    const { left, top, width } = this.#stage.getBoundingClientRect();
    const [x, y] = [clientX - left, clientY - top];
    const isFarRight = x > width - this.#tag.offsetWidth - 24;
    this.#tag.style.transform = `translate(${x}px, ${Math.max(y, 28)}px) translate(${isFarRight ? "calc(-100% - 8px)" : "8px"}, calc(-100% - 6px))`;
  }
}
