/* Boxes that a task shows: accepted ones, the candidate to judge, one that was turned down, those that the model suggests.
   Only to look at; each on a light casing, or the gaps of a dotted one would show a picture of its own colour. */
const SPACE = "http://www.w3.org/2000/svg";

export function overlay(task) {
  const { boxes = [], candidate, rejected, suggestions = {} } = task.payload ?? {};
  const suggested = Object.values(suggestions).flat().map((box) => ["suggested", box]);
  const marks = [...boxes.map((box) => ["accepted", box]), ["candidate", candidate], ["rejected", rejected], ...suggested].filter(([, box]) => box?.box);
  if (!marks.length) return null;
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${task.image.width} ${task.image.height}`);
  svg.setAttribute("class", "overlay");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, { box }] of marks) svg.append(outline("casing", box), outline(name, box));
  return svg;
}

function outline(name, box) {
  const rect = document.createElementNS(SPACE, "rect");
  rect.setAttribute("class", name);
  ["x", "y", "width", "height"].forEach((side, index) => rect.setAttribute(side, box[index]));
  return rect;
}

/* The image itself, on its way. */
export function picture(image, alt) {
  const element = new Image();
  element.decoding = "sync";
  element.id = "image";
  element.alt = alt;
  element.width = image.width;
  element.height = image.height;
  element.src = image.url;
  return element;
}
