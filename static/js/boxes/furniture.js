/* What the editor adds to the stage: the box that is being drawn, the frame with handles of the one that is selected, and
   the tools. */
import { icon } from "../toast.js";

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/* `tools`: [icon, label, what it does, whether it changes boxes]. Returns the two elements that the editor moves, hidden. */
export function furnish(stage, words, tools) {
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
  stage.append(ghost, frame, toolbar(words.tools, tools));
  return { ghost, frame };
}

function hidden(name) {
  const element = document.createElement("div");
  element.className = name;
  element.hidden = true;
  return element;
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

/* A box as Annotorious takes it. */
export function annotation({ id, box: [x, y, w, h] }) {
  const bounds = { minX: x, minY: y, maxX: x + w, maxY: y + h };
  return { id, bodies: [], target: { annotation: id, selector: { type: "RECTANGLE", geometry: { bounds, x, y, w, h, rot: 0 } } } };
}
