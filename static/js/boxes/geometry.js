/* The mathematics of boxes, in natural pixels of the upright image: `[x, y, width, height]`, origin at the top left. Pure. */

/* Two opposite corners, in any order, may lie outside: the box between them that lies inside the image. */
export function fromCorners(a, b, image) {
  const clampX = (x) => Math.min(Math.max(x, 0), image.width);
  const clampY = (y) => Math.min(Math.max(y, 0), image.height);
  const [left, right] = [clampX(Math.min(a.x, b.x)), clampX(Math.max(a.x, b.x))];
  const [top, bottom] = [clampY(Math.min(a.y, b.y)), clampY(Math.max(a.y, b.y))];
  return [left, top, right - left, bottom - top];
}

/* The box shifted as far as the image allows, its size kept. */
export function moved([x, y, width, height], dx, dy, image) {
  return [Math.min(Math.max(x + dx, 0), image.width - width), Math.min(Math.max(y + dy, 0), image.height - height), width, height];
}

/* The lower right corner moved: no smaller than `least` or a pixel, and inside the image. */
export function grown([x, y, width, height], dx, dy, least, image) {
  const side = (length, by, room) => Math.min(Math.max(length + by, least, 1), room);
  return [x, y, side(width, dx, image.width - x), side(height, dy, image.height - y)];
}

/* `handle` is one of n s e w and their pairs: the sides that follow the pointer. A side may pass its opposite. */
export function resized([x, y, width, height], handle, dx, dy, image) {
  let [left, top, right, bottom] = [x, y, x + width, y + height];
  if (handle.includes("w")) left += dx;
  if (handle.includes("e")) right += dx;
  if (handle.includes("n")) top += dy;
  if (handle.includes("s")) bottom += dy;
  return fromCorners({ x: left, y: top }, { x: right, y: bottom }, image);
}

/* A box without a pointer: a quarter of what is seen, in its middle or beside one that is there; arrows do the rest. */
export function placed([x, y, width, height], others, image) {
  let box = [x + width * 0.375, y + height * 0.375, width / 4, height / 4].map(Math.round);
  const aside = Math.max(1, Math.round(Math.min(width, height) / 20));
  const hides = (other) => other.box[0] === box[0] && other.box[1] === box[1];
  for (let tries = 0; tries < others.length && others.some(hides); tries++) box = moved(box, aside, aside, image);
  return box;
}

export function contains([x, y, width, height], point, slack = 0) {
  return point.x >= x - slack && point.x <= x + width + slack && point.y >= y - slack && point.y <= y + height + slack;
}

/* Hundredths of a pixel: finer than any pointer, short enough to read. */
export function rounded(box) {
  return box.map((value) => Math.round(value * 100) / 100);
}

/* Numbers that a person typed: inside the image and at least one pixel large, or null when they are no box. */
export function typed(box, image) {
  if (!box.every(Number.isFinite)) return null;
  const [x, y, width, height] = box;
  const inside = fromCorners({ x, y }, { x: x + width, y: y + height }, image);
  return width > 0 && height > 0 && inside[2] > 0 && inside[3] > 0 ? inside : null;
}

export function isSame(one, other) {
  return one.category === other.category && one.box.every((side, at) => side === other.box[at]);
}
