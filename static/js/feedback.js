/* What practice told of an answer: a closer look at its image, as where it was asked about. */
import { Zoom } from "./label/zoom.js";
import { printed } from "./printed.js";
import { isOff } from "./single.js";

const stage = document.querySelector(".stage");
const figure = stage.querySelector("figure");
const zoom = new Zoom(stage, figure, stage.dataset);

/* What has the focus from the start is ringed where there are keys, not after a tap. */
const next = document.querySelector("[autofocus]");
if (matchMedia("(hover: none)").matches) next.classList.add("unringed");
document.addEventListener("keydown", () => next.classList.remove("unringed"), { capture: true });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isOff(event)) return;
  if (event.key === "Enter" && event.target === figure) next.click();
  else if (printed(event).toLowerCase() === "z") zoom.toggle();
  else if (event.key === "Escape" && !event.defaultPrevented) zoom.whole();
});
