/* Pointers on the stage: one draws, moves or resizes; two, the middle button or a held space bar move the view. Where a pen
   is on it, touches are the hand that holds the pen, and so is one alone for a while after: it rests between two strokes. */

const CLICK = 4; // CSS pixels: less movement than this is a click
const RESTING = 20_000; // milliseconds after which a pen is taken to have been put aside

function isPen({ pointerType }) {
  return pointerType === "pen";
}

/* What lies at the point: as a touch's target Chromium tells a button that is near, as of the tools below the image. */
function below({ clientX, clientY, target }) {
  return document.elementFromPoint(clientX, clientY) ?? target;
}

export function listen(stage, view, editor) {
  const pointers = new Map();
  let action = null; // what the one pointer is doing
  let viewing = false; // the view is being moved
  let space = false;
  let penAt = -Infinity; // when a pen was last near
  let resting = null; // a finger on a button or a bar, with which a second one on the image makes a pinch

  for (const [name, pointed] of [["pointerdown", true], ["keydown", false]]) {
    addEventListener(name, () => stage.classList.toggle("pointed", pointed), { capture: true });
  }

  for (const name of ["pointerdown", "pointermove", "pointerup"]) {
    stage.addEventListener(name, (event) => {
      if (isPen(event)) penAt = performance.now();
    });
  }

  stage.addEventListener("pointerdown", (event) => {
    // The button of the menu, whose end the page may never hear of, would else count as a finger that stays.
    if (event.button === 2 || !editor.isOpen()) return;
    const isTouch = event.pointerType === "touch";
    if (below(event).closest("button, summary, .boxes-tools, .box-bar") && !(isTouch && pointers.size)) {
      resting = isTouch ? event : null;
      return;
    }
    event.preventDefault();
    if (isTouch && [...pointers.values()].some(isPen)) return;
    if (isPen(event)) lift();
    stage.focus({ preventScroll: true }); // for keys
    if (isTouch && resting) take(resting);
    take(event);
    const moving = event.button === 1 || space || !editor.isAsked();
    if (pointers.size === 2 || moving) {
      if (action) editor.cancel();
      action = null;
      viewing = true;
    } else if (pointers.size === 1 && event.button === 0 && !(isTouch && performance.now() - penAt < RESTING)) {
      action = begin(event);
    }
    if (viewing) view.hold(pointers.values());
  });

  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    if (viewing) view.drag(pointers.values());
    else if (action) {
      action.moved ||= Math.hypot(event.clientX - action.start.clientX, event.clientY - action.start.clientY) >= CLICK;
      if (!editor.holds(action)) action = drop();
      else if (action.moved) editor.drag(action, view.toImage(event));
    }
  });

  function take(event) {
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    resting = null;
  }

  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, ({ pointerId }) => pointerId === resting?.pointerId && (resting = null), { capture: true });
    stage.addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      if (viewing) {
        viewing = pointers.size > 0;
        if (viewing) view.hold(pointers.values());
      } else if (action) {
        const done = action;
        action = null;
        if (name === "pointercancel" || !editor.holds(done)) editor.cancel();
        else if (done.moved) editor.drop(done, view.toImage(event));
        else {
          editor.cancel();
          if (!done.isNearTool) editor.click(view.toImage(event));
        }
      }
    });
  }

  /* The touches that were there before the pen end nothing and change nothing. */
  function lift() {
    pointers.clear();
    viewing = false;
    if (action) action = drop();
  }

  function drop() {
    editor.cancel();
    return null;
  }

  stage.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !action) return;
    action = drop();
    event.stopImmediatePropagation(); // Escape ends the gesture and leaves the box selected
  });

  function begin(event) {
    const handle = below(event).closest("[data-handle]")?.dataset.handle;
    const at = view.toImage(event);
    const kind = handle === "move" ? "move" : handle ? "resize" : "draw";
    const isNearTool = Boolean(event.target.closest(".boxes-tools, .box-bar")); // which a tap presses
    return { kind, handle, start: event, at, image: editor.image, moved: false, isNearTool };
  }

  const hold = (event) => {
    if (event.code !== "Space" || event.target.closest?.("input, textarea, select, button, summary")) return;
    space = event.type === "keydown";
    stage.classList.toggle("grabbing", space);
    event.preventDefault();
  };
  document.addEventListener("keydown", hold);
  document.addEventListener("keyup", hold);
  addEventListener("blur", () => {
    space = false;
    stage.classList.remove("grabbing");
  });
}
