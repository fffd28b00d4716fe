/* The boxes editor: Annotorious draws the boxes, panzoom moves the view, and between them this module owns what a box is,
   where it lies in natural pixels, and every way to change it: mouse, touch, keys and number fields. Dragging draws
   wherever it begins, and what is chosen for the next box changes no other: docs/decisions/0008-drawing-boxes.md. */
import "./boxes/environment.js";
import { createImageAnnotator } from "../vendor/annotorious/annotorious.es.js";
import { Bar } from "./boxes/bar.js";
import { annotation, frame, furnish, place } from "./boxes/furniture.js";
import { contains, fromCorners, grown, isSame, moved, placed, resized, rounded, typed } from "./boxes/geometry.js";
import { listen } from "./boxes/gestures.js";
import { History } from "./boxes/history.js";
import { listen as listenToKeys } from "./boxes/keys.js";
import { List } from "./boxes/list.js";
import { Pen } from "./boxes/pen.js";
import { View } from "./boxes/view.js";
import { toast } from "./toast.js";

const SMALLEST = 6; // CSS pixels on a side, at the zoom of the moment
const COLOURS = 8;

export function mount(root, page, question, words) {
  return new Editor(root, page, question, words);
}

class Editor {
  #boxes = [];
  #selected = null;
  #opened = null; // the box that has handles and a bar, for as long as it is selected: one that was just drawn has none
  #history = new History();
  #annotator = null;
  #drawn = new Map(); // what Annotorious shows: id -> box
  #open = false;
  #serial = 0;

  constructor(root, page, question, words) {
    this.root = root;
    this.words = words;
    this.key = question.key;
    this.choices = question.choices ?? [];
    this.most = question.options?.most ?? 1000;
    this.stage = document.getElementById("stage");
    this.announce = page.announce;
    this.json = root.querySelector("[data-json]");
    this.none = root.querySelector("[data-none]");
    Object.assign(this, furnish(this.stage, words, this));
    this.view = new View(this.stage, page.figure, () => this.#placeHandles());
    this.list = new List(root.querySelector("table"), words, {
      onEdit: (id, box) => this.#typed(id, box),
      onCategory: (id, category) => this.#change(id, { category }),
      onDelete: (id) => this.#remove(id),
      onSelect: (id) => this.#select(id),
    });
    this.bar = new Bar(this.stage, words, this.list.options, {
      onCategory: (category) => this.#change(this.#selected, { category }),
      onDelete: () => this.delete(),
      onLeave: () => this.stage.focus({ preventScroll: true }),
    });
    this.pen = this.choices.length > 1 ? new Pen(this.stage) : null;
    this.#holdPen();
    listen(this.stage, this.view, this);
    listenToKeys(root, this.stage, this.view, this);
    root.addEventListener("change", (event) => {
      if (event.target.name?.endsWith(".category") && event.target.type === "radio") this.#chosen(event.target);
    });
    root.querySelector("[data-boxes]").addEventListener("set-boxes", (event) => this.set(event.detail));
    this.json.disabled = false;
  }

  /* -- the outside ---------------------------------------------------------------------------------------------- */

  /* Begin with another image. Nothing can be drawn until it has loaded in its true proportions. */
  open(task, element, overlay = null) {
    this.#open = false;
    this.image = { width: task.image.width, height: task.image.height };
    this.#annotator?.destroy();
    this.#drawn = new Map();
    element.classList.add("boxes-image");
    this.suggested = [task.payload?.suggestions?.[this.key] ?? []].flat().filter((one) => one?.box);
    this.stage.querySelector('[data-tool="sparkles"]').hidden = !this.suggested.length; // before the image is fitted above the tools
    this.view.open(element, this.image);
    this.#annotator = createImageAnnotator(element, { drawingEnabled: false, userSelectAction: "NONE", style: (annotation) => this.#style(annotation) });
    const layer = this.view.canvas.querySelector("svg");
    if (overlay) {
      overlay.setAttribute("preserveAspectRatio", "none");
      this.view.canvas.append(overlay);
    }
    layer.setAttribute("viewBox", `0 0 ${this.image.width} ${this.image.height}`);
    layer.setAttribute("preserveAspectRatio", "none");
    layer.setAttribute("aria-hidden", "true");
    layer.removeAttribute("role");
    layer.removeAttribute("tabindex");
    this.#history.forget();
    this.#ghost(null);
    const shown = element.naturalWidth / element.naturalHeight;
    this.#open = element.complete && element.naturalWidth > 0 && Math.abs(shown * (this.image.height / this.image.width) - 1) < 0.05;
    this.stage.classList.toggle("not-ready", !this.#open);
    this.set([]);
    return this.#open;
  }

  isOpen() {
    return this.#open;
  }

  /* Whether boxes are asked for: under a condition that does not hold, the image can be looked at and no more. */
  isAsked() {
    return !this.root.hidden;
  }

  /* What is not asked is not answered: boxes that were drawn before are out of sight until they are asked for again. */
  ask() {
    if (this.stage.classList.contains("not-asked") !== this.root.hidden) this.#select(null);
    this.stage.classList.toggle("not-asked", this.root.hidden);
  }

  value() {
    return this.#boxes.map(({ category, box }) => ({ category, box }));
  }

  set(boxes) {
    this.#boxes = boxes.map(({ category, box }) => ({ id: this.#id(), category, box: rounded(box) }));
    this.#selected = null;
    this.#render();
  }

  /* "There is none" takes the boxes off the image; an undo brings them back. */
  clear() {
    if (!this.#boxes.length) return;
    this.#remember();
    this.#boxes = [];
    this.#selected = null;
    this.#render();
    this.announce.textContent = this.#counted();
  }

  /* -- what gestures ask ---------------------------------------------------------------------------------------- */

  /* Whether what a gesture began with is still there: a key may delete the box or send the task in between. */
  holds(action) {
    return action.image === this.image && (action.kind === "draw" || this.#find(this.#selected) !== null);
  }

  drag(action, point) {
    const box = this.#dragged(action, point);
    this.#ghost(box, action.kind === "draw" ? this.#nextCategory() : this.#find(this.#selected).category);
  }

  drop(action, point) {
    const box = this.#dragged(action, point);
    this.#ghost(null);
    const scale = this.view.scale;
    if (Math.min(box[2], box[3]) * scale < SMALLEST) {
      toast(this.words.too_small, "warn");
      return this.#render();
    }
    if (action.kind === "draw") return this.#add(box);
    return this.#change(this.#selected, { box });
  }

  cancel() {
    this.#ghost(null);
    this.#render();
  }

  /* Take hold of the smallest box under the pointer; again on the same spot, of the next larger one; on nothing, of none. */
  click(point) {
    const under = this.#boxes.filter((box) => contains(box.box, point, 3 / this.view.scale)).sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);
    const at = this.#opened === this.#selected ? under.findIndex((box) => box.id === this.#selected) : -1;
    this.#select(under.length ? under[(at + 1) % under.length].id : null);
  }

  #dragged(action, point) {
    if (action.kind === "draw") return fromCorners(action.at, point, this.image);
    const { box } = this.#find(this.#selected);
    const [dx, dy] = [point.x - action.at.x, point.y - action.at.y];
    return action.kind === "move" ? moved(box, dx, dy, this.image) : resized(box, action.handle, dx, dy, this.image);
  }

  /* -- changes, each of which can be undone --------------------------------------------------------------------- */

  #add(box, isHeld = false) {
    if (this.#boxes.length >= this.most && this.most !== 1) return void toast(this.words.at_most.replace("%s", this.most), "warn");
    this.#remember();
    const made = { id: this.#id(), category: this.#nextCategory(), box: rounded(box) };
    this.#boxes = this.most === 1 ? [made] : [...this.#boxes, made]; // drawn anew
    this.#selected = made.id;
    if (isHeld) this.#opened = made.id;
    this.#changed(this.words.box_added);
  }

  /* What the model suggests, as boxes of the person's own: to keep, to mend or to delete. */
  take() {
    const boxes = this.suggested.map(({ category, box }) => ({ id: this.#id(), category, box: rounded(box) }));
    const fresh = boxes.filter((one) => !this.#boxes.some((other) => isSame(one, other)));
    if (!this.#open || !fresh.length) return;
    const kept = this.most === 1 ? [] : this.#boxes; // as drawing anew does
    if (kept.length + fresh.length > this.most) return void toast(this.words.at_most.replace("%s", this.most), "warn");
    this.#remember();
    this.#boxes = [...kept, ...fresh];
    this.#changed(this.#counted());
  }

  #change(id, change) {
    const box = this.#find(id);
    if (!box) return;
    this.#remember();
    const category = change.category ?? box.category;
    this.#boxes = this.#boxes.map((other) => (other === box ? { id, category, box: rounded(change.box ?? box.box) } : other));
    this.#changed();
  }

  #remove(id) {
    const at = this.#boxes.findIndex((box) => box.id === id);
    if (at < 0) return;
    this.#remember();
    this.#boxes.splice(at, 1);
    this.#selected = null;
    this.#changed(this.words.box_deleted);
    this.stage.focus({ preventScroll: true });
  }

  #typed(id, numbers) {
    const box = typed(numbers, this.image);
    if (box) this.#change(id, { box });
    else this.list.show(this.#boxes, this.#selected, this.#opened === this.#selected);
  }

  #remember() {
    this.#history.remember(this.#state());
  }

  #state() {
    return { boxes: [...this.#boxes], selected: this.#selected };
  }

  undo() {
    this.#return(this.#history.back(this.#state()));
  }

  redo() {
    this.#return(this.#history.forth(this.#state()));
  }

  #return(state) {
    if (!state) return;
    this.#boxes = state.boxes;
    this.#selected = state.selected;
    this.#changed(this.#counted());
  }

  #changed(message = "") {
    if (this.#boxes.length && this.none) this.none.checked = false;
    this.#render();
    this.root.dispatchEvent(new Event("input", { bubbles: true }));
    const box = this.#find(this.#selected);
    this.announce.textContent = [message, box && this.#spoken(box)].filter(Boolean).join(" ");
  }

  #counted() {
    return this.words.boxes_count.replace("%s", this.#boxes.length);
  }

  #spoken(box) {
    return `${this.#called(box)}: ${this.#named(box.category)}, ${box.box.map(Math.round).join(", ")}`;
  }

  #called(box) {
    return this.words.box.replace("%s", this.#boxes.indexOf(box) + 1);
  }

  #named(category) {
    return this.choices.find((choice) => choice.key === category)?.name ?? category;
  }

  /* -- what keys ask --------------------------------------------------------------------------------------------- */

  /* Move the selected box, or its lower right corner; false where none is selected. */
  nudge(dx, dy, isResizing) {
    const box = this.#find(this.#selected);
    if (box) this.#change(box.id, { box: isResizing ? grown(box.box, dx, dy, SMALLEST / this.view.scale, this.image) : moved(box.box, dx, dy, this.image) });
    return Boolean(box);
  }

  delete() {
    this.#remove(this.#selected);
  }

  letGo() {
    if (this.#selected) this.announce.textContent = this.#counted();
    this.#select(null);
  }

  /* Another category for the selected box, which its bar asks for. */
  choose() {
    if (!this.#find(this.#selected) || !this.bar.choosesAmongSeveral) return;
    this.#select(this.#selected);
    this.bar.focus();
  }

  insert() {
    if (!this.#open) return;
    this.#add(placed(this.view.visible(), this.#boxes, this.image), true);
    this.stage.focus({ preventScroll: true });
  }

  turn(step) {
    if (!this.#boxes.length) return;
    const at = this.#boxes.findIndex((box) => box.id === this.#selected);
    const next = at < 0 ? (step > 0 ? 0 : this.#boxes.length - 1) : (at + step + this.#boxes.length) % this.#boxes.length;
    this.#select(this.#boxes[next].id);
  }

  /* -- drawing --------------------------------------------------------------------------------------------------- */

  #render() {
    this.json.value = JSON.stringify(this.value());
    this.list.show(this.#boxes, this.#selected, this.#opened === this.#selected);
    this.#draw();
    this.#placeHandles();
  }

  /* Tell Annotorious what differs from what it shows: with hundreds of boxes, one change must stay one change. */
  #draw() {
    if (!this.#annotator) return;
    const wanted = new Map(this.#boxes.map((box) => [box.id, box]));
    for (const [id, box] of this.#drawn) {
      if (wanted.get(id) !== box) {
        this.#annotator.removeAnnotation(id);
        this.#drawn.delete(id);
      }
    }
    const fresh = this.#boxes.filter((box) => !this.#drawn.has(box.id));
    if (fresh.length === this.#boxes.length) this.#annotator.setAnnotations(fresh.map(annotation));
    else for (const box of fresh) this.#annotator.addAnnotation(annotation(box));
    this.#drawn = wanted;
  }

  #placeHandles() {
    const box = this.#find(this.#selected);
    this.frame.hidden = !box;
    if (!box) return this.bar.hide();
    const at = this.view.toStage(box.box);
    const colour = this.#colour(box.category);
    frame(this.frame, at, this.view.room);
    this.frame.style.setProperty("--c", colour);
    this.frame.classList.toggle("held", this.#opened === box.id);
    if (this.#opened === box.id) this.bar.show(box, this.#called(box), colour, at, this.view.room);
    else this.bar.hide();
  }

  #ghost(box, category) {
    this.ghost.hidden = !box;
    this.frame.hidden = Boolean(box) || !this.#selected;
    if (!box) return;
    this.bar.hide();
    place(this.ghost, this.view.toStage(box));
    this.ghost.style.setProperty("--c", this.#colour(category));
  }

  #select(id) {
    if (this.#selected === id && this.#opened === id) return;
    this.#selected = this.#opened = id;
    const box = this.#find(id);
    this.list.show(this.#boxes, id, true);
    this.#placeHandles();
    if (box) this.announce.textContent = this.#spoken(box);
  }

  #style(shape) {
    const colour = this.#colour(this.#find(shape.id)?.category);
    return { fill: colour, fillOpacity: 0.12, stroke: colour, strokeWidth: 2 };
  }

  #colour(category) {
    const at = this.choices.findIndex((choice) => choice.key === category);
    return `var(--series-${(Math.max(at, 0) % COLOURS) + 1})`;
  }

  #nextCategory() {
    return this.root.querySelector("input[type=radio][name$='.category']:checked")?.value ?? this.choices[0]?.key;
  }

  /* The category that the next box gets. A radio button that has the focus is read out by itself. */
  #chosen(radio) {
    this.#holdPen();
    radio.parentElement.scrollIntoView({ block: "nearest" }); // among very many it now stands first
    if (document.activeElement !== radio) this.announce.textContent = `${this.words.next_box}: ${this.#named(radio.value)}`;
  }

  #holdPen() {
    this.pen?.hold(this.#named(this.#nextCategory()), this.#colour(this.#nextCategory()));
  }

  #find(id) {
    return this.#boxes.find((box) => box.id === id) ?? null;
  }

  #id() {
    return `box-${++this.#serial}`;
  }
}
