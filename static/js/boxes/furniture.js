/* What the editor adds to the stage: the box that is being drawn, the frame with handles of the one that is selected, and
   the tools. */
import { icon } from "../toast.js";

const HANDLES = ["n", "e", "s", "w", "nw", "ne", "se", "sw"];

/* Returns the two elements that the editor moves, hidden. */
export function furnish(stage, words, editor) {
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", words.stage);
  stage.classList.add("boxes-stage");
  const ghost = hidden("box-ghost");
  const frame = hidden("box-frame");
  for (const name of HANDLES) {
    const handle = document.createElement("span");
    handle.dataset.handle = name;
    frame.append(handle);
  }
  const middle = document.createElement("div"); // over the handles: of a small box they would leave nothing to move it by
  middle.dataset.handle = "move";
  middle.append(icon("move"));
  frame.append(middle);
  stage.append(ghost, frame, toolbar(words.tools, tools(words, editor)));
  return { ghost, frame };
}

function hidden(name) {
  const element = document.createElement("div");
  element.className = name;
  element.hidden = true;
  return element;
}

/* [icon, label, what it does, whether it changes boxes] */
function tools(words, editor) {
  return [
    ["plus", words.new_box, () => editor.insert(), true],
    ["sparkles", words.take, () => editor.take(), true],
    ["undo-2", words.undo, () => editor.undo(), true],
    ["redo-2", words.redo, () => editor.redo(), true],
    ["zoom-in", words.zoom_in, () => editor.view.zoomBy(1.5)],
    ["zoom-out", words.zoom_out, () => editor.view.zoomBy(1 / 1.5)],
    ["maximize", words.whole, () => editor.view.whole()],
  ];
}

function toolbar(title, tools) {
  const bar = document.createElement("div");
  bar.className = "boxes-tools";
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", title);
  for (const [name, label, act, changes] of tools) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: `button square${changes ? " changes" : ""}`, title: label });
    button.setAttribute("aria-label", label);
    button.dataset.tool = name;
    button.append(icon(name));
    button.addEventListener("click", act);
    bar.append(button);
  }
  return bar;
}

export function place(element, { left, top, width, height }) {
  element.style.transform = `translate(${left}px, ${top}px)`;
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
}

/* The frame of a small box has handles further out, of which none shall leave the stage or lie below the tools. */
export function frame(element, { left, top, width, height }, room) {
  place(element, { left, top, width, height });
  const sides = { before: left, above: top, after: room.width - left - width, below: room.height - top - height };
  for (const [side, pixels] of Object.entries(sides)) element.style.setProperty(`--${side}`, `${Math.max(pixels, 0)}px`);
}

/* A box as Annotorious takes it. */
export function annotation({ id, box: [x, y, w, h] }) {
  const bounds = { minX: x, minY: y, maxX: x + w, maxY: y + h };
  return { id, bodies: [], target: { annotation: id, selector: { type: "RECTANGLE", geometry: { bounds, x, y, w, h, rot: 0 } } } };
}
