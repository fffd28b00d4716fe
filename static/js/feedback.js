/* What practice told of an answer: a closer look at its image, as where it was asked about. */
import { Zoom } from "./label/zoom.js";
import { printed } from "./printed.js";
import { isOff } from "./single.js";

const stage = document.querySelector(".stage");
const figure = stage.querySelector("figure");
const zoom = new Zoom(stage, figure, stage.dataset);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isOff(event)) return;
  if (event.key === "Enter" && event.target === figure) document.querySelector("[autofocus]").click();
  else if (printed(event).toLowerCase() === "z") zoom.toggle();
  else if (event.key === "Escape" && !event.defaultPrevented) zoom.whole();
});
