/* The keys of the image. What a key does to boxes is the editor's; here is which key, where, and when. */
import { printed } from "../printed.js";
import { isOff } from "../single.js";

const LOOKING = ["f", "+", "=", "-"]; // keys that change nothing
const SIGNS = LOOKING.slice(1); // which some keyboards have where others have a digit
const NUDGE = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* Keys of the image, and of a page where nothing has the focus, as each image begins: who presses n wants a box. */
export function listen(root, stage, view, editor) {
  document.body.addEventListener("keydown", (event) => {
    // What has the focus behind the button that sent the image before has no keys either, but those that scroll it.
    const isBeside = event.target.id === "questions" || (root.contains(event.target) && event.target.matches("[type=radio], [type=checkbox]"));
    const isFree = [stage, document.body].includes(event.target) || (isBeside && !(event.key in NUDGE));
    if (event.ctrlKey || event.metaKey || !isFree) return;
    if (event.target !== stage && isOff(event)) return; // on the image they are asked for
    if (document.querySelector("dialog[open], details.menu[open]")) return;
    if (act(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });

  function act(event) {
    const placed = printed(event);
    const chooses = document.querySelector(`[data-key="${CSS.escape(placed)}"]`);
    const key = SIGNS.includes(event.key) && !chooses ? event.key : placed;
    if (event.key in NUDGE) {
      const [dx, dy] = NUDGE[event.key].map((unit) => unit * (event.shiftKey ? 10 : 1));
      if (!editor.nudge(dx, dy, event.altKey)) view.panBy(-dx * 40, -dy * 40);
      return true;
    }
    if (event.altKey || (!editor.isAsked() && !LOOKING.includes(key))) return false;
    const act = { n: () => editor.insert(), c: () => editor.choose(), ".": () => editor.turn(1), ",": () => editor.turn(-1), f: () => view.whole(), Escape: () => editor.letGo() };
    const more = { "+": () => view.zoomBy(1.25), "=": () => view.zoomBy(1.25), "-": () => view.zoomBy(0.8), Delete: () => editor.delete(), Backspace: () => editor.delete() };
    const doing = act[key] ?? more[key];
    doing?.();
    return Boolean(doing);
  }

  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !editor.isAsked() || event.target.closest?.("textarea, input:not([type=radio], [type=checkbox])")) return;
    const key = printed(event).toLowerCase();
    if (key === "z" && !event.shiftKey) editor.undo();
    else if (key === "y" || key === "z") editor.redo();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation(); // Annotorious keeps a history of its own, of what it was told to draw
  }, { capture: true });
}
