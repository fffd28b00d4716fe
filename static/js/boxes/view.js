/* What is seen of the image: fit, zoom and pan (by panzoom), and the one conversion between screen and natural pixels.
   Positions are read off the image's own rectangle on the screen, which the browser gives in fractions of a pixel at
   any zoom and device pixel ratio; nothing is accumulated, so nothing drifts. */
import Panzoom from "../../vendor/panzoom/panzoom.es.js";

const MOST = 16; // times the whole image, or as many more as make
const PIXEL = 4; // screen pixels of one of its own: a finger sets a box on a large image or a strip exactly

export class View {
  constructor(stage, figure, onChange) {
    this.stage = stage;
    this.pan = figure;
    this.canvas = document.createElement("div");
    this.canvas.className = "boxes-canvas";
    this.element = null;
    this.image = null;
    this.onChange = onChange;
    this.zoomer = Panzoom(figure, { noBind: true, minScale: 1, cursor: "", touchAction: "none", animate: false });
    figure.addEventListener("panzoomchange", () => this.#changed());
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.fit()).observe(stage);
  }

  /* Show another image; `image` has the true width and height, whatever the size of the file that is shown. */
  open(element, image) {
    this.element = element;
    this.image = image;
    this.canvas.replaceChildren(element);
    this.pan.replaceChildren(this.canvas);
    this.whole();
  }

  /* Browsers paint an image from whole pixels of its own space, and the zoom then multiplies what they rounded off. So
     place and size are whole pixels here, of the page and of the device: of the largest sizes that fit, the first that
     stretches the image by less than a twentieth of a pixel of its own, else the one that does so least. */
  fit() {
    if (!this.image) return;
    const stage = this.stage.getBoundingClientRect();
    const tools = this.stage.querySelector(".boxes-tools").getBoundingClientRect();
    const room = { width: stage.width, height: tools.top - stage.top }; // what lies below could not be drawn on
    const scale = Math.min(room.width / this.image.width, room.height / this.image.height);
    const unit = [1, 2, 3, 4, 5].find((n) => Math.abs(n * devicePixelRatio - Math.round(n * devicePixelRatio)) < 0.01) ?? 1;
    const snap = (value) => Math.round(value / unit) * unit;
    const size = this.#size(scale, unit, snap);
    const place = { left: snap((room.width - size.width) / 2), top: snap(Math.min((stage.height - size.height) / 2, room.height - size.height)) };
    this.room = room;
    for (const [name, value] of Object.entries({ ...size, ...place })) this.canvas.style[name] = `${value}px`;
    this.most = Math.max(MOST, (PIXEL * this.image.width) / size.width, (PIXEL * this.image.height) / size.height);
    this.zoomer.setOptions({ maxScale: this.most });
    this.#changed();
  }

  #size(scale, unit, snap) {
    const { width, height } = this.image;
    const [long, short] = width >= height ? [width, height] : [height, width];
    let best = null;
    for (let less = 0; less <= 12; less += 1) {
      const side = (Math.floor((long * scale) / unit + 0.01) - less) * unit;
      const other = Math.max(unit, snap((side * short) / long)); // a strip is seen, however thin
      const off = Math.abs((other * long) / side - short);
      if (side > 0 && (!best || off < best.off)) best = { side, other, off };
      if (best && best.off < 0.05) break;
    }
    const { side, other } = best ?? { side: unit, other: unit };
    return width >= height ? { width: side, height: other } : { width: other, height: side };
  }

  whole() {
    this.zoomer.reset({ animate: false });
    this.fit();
  }

  get zoom() {
    return this.zoomer.getScale();
  }

  /* Screen pixels for one natural pixel, now. */
  get scale() {
    return this.element ? this.element.getBoundingClientRect().width / this.image.width : 1;
  }

  toImage(event) {
    const rect = this.element.getBoundingClientRect();
    return {
      x: ((event.clientX - rect.left) / rect.width) * this.image.width,
      y: ((event.clientY - rect.top) / rect.height) * this.image.height,
    };
  }

  /* A box -> its place on the stage, in CSS pixels. */
  toStage([x, y, width, height]) {
    const rect = this.element.getBoundingClientRect();
    const stage = this.stage.getBoundingClientRect();
    const across = rect.width / this.image.width;
    const down = rect.height / this.image.height;
    return { left: rect.left - stage.left + x * across, top: rect.top - stage.top + y * down, width: width * across, height: height * down };
  }

  /* The part of the image that is on the screen, as a box. */
  visible() {
    const stage = this.stage.getBoundingClientRect();
    const a = this.toImage({ clientX: stage.left, clientY: stage.top });
    const b = this.toImage({ clientX: stage.right, clientY: stage.bottom });
    const left = Math.max(a.x, 0);
    const top = Math.max(a.y, 0);
    return [left, top, Math.min(b.x, this.image.width) - left, Math.min(b.y, this.image.height) - top];
  }

  /* Zoom by a factor about a point of the screen, the middle unless told. Where that lies is told to panzoom, which would
     read it off what it has drawn last: behind, when fingers or a wheel tell of more than one move in a frame. */
  zoomBy(factor, point = null) {
    const stage = this.stage.getBoundingClientRect();
    const middle = { clientX: stage.left + stage.width / 2, clientY: stage.top + stage.height / 2 };
    const { clientX, clientY } = point ?? middle;
    const scale = Math.min(Math.max(this.zoom * factor, 1), this.most);
    const focal = { x: (clientX - middle.clientX) * scale, y: (clientY - middle.clientY) * scale };
    this.zoomer.zoom(scale, { focal, animate: false });
  }

  /* Pointers take hold of the image; as they move, what lies below them stays below them. */
  hold(pointers) {
    this.grip = grip([...pointers]);
  }

  drag(pointers) {
    const { clientX, clientY, apart } = this.grip;
    this.hold(pointers);
    this.panBy(this.grip.clientX - clientX, this.grip.clientY - clientY);
    if (apart && this.grip.apart) this.zoomBy(this.grip.apart / apart, this.grip);
  }

  panBy(dx, dy) {
    const { x, y } = this.zoomer.getPan();
    this.zoomer.pan(x + dx / this.zoom, y + dy / this.zoom, { animate: false });
  }

  #wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) this.panBy(-event.deltaY * unit, 0);
    else this.zoomBy(Math.exp((-event.deltaY * unit) / 400), event);
  }

  /* Lines keep their thickness, pixels become visible when large, and the image cannot be lost off the stage. */
  #changed() {
    if (!this.element) return;
    this.canvas.style.setProperty("--zoom", this.zoom);
    this.element.classList.toggle("pixels", this.scale >= PIXEL);
    const rect = this.element.getBoundingClientRect();
    const stage = this.stage.getBoundingClientRect();
    const margin = 64;
    const dx = Math.max(0, stage.left + margin - rect.right) - Math.max(0, rect.left - (stage.right - margin));
    const dy = Math.max(0, stage.top + margin - rect.bottom) - Math.max(0, rect.top - (stage.bottom - margin));
    if (Math.abs(dx) > 1 || Math.abs(dy) > 1) this.panBy(dx, dy);
    this.onChange();
  }
}

/* The middle of pointers, and how far they are from it. */
function grip(pointers) {
  const mean = (value) => pointers.reduce((sum, pointer) => sum + value(pointer), 0) / pointers.length;
  const clientX = mean((pointer) => pointer.clientX);
  const clientY = mean((pointer) => pointer.clientY);
  return { clientX, clientY, apart: mean((pointer) => Math.hypot(pointer.clientX - clientX, pointer.clientY - clientY)) };
}
