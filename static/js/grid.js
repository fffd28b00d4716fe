/* The grid task: counts what is tapped and the active time; the form does the rest. */
import { Clock } from "./label/clock.js";
import { once } from "./label/once.js";

const form = document.getElementById("grid");
const clock = new Clock();
clock.start();
function count() {
  document.getElementById("tapped").textContent = form.querySelectorAll(":checked").length;
}
form.addEventListener("change", count);
addEventListener("pageshow", (event) => {
  // Kept by the browser as it was: these images are answered by now.
  if (event.persisted) location.reload();
});
const goes = once();
form.addEventListener("submit", (event) => {
  if (!goes()) return void event.preventDefault();
  document.getElementById("seconds").value = clock.seconds();
});
