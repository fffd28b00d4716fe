/* The grid task: counts what is tapped and the active time; the form does the rest. */
import { Clock } from "./label/clock.js";

const form = document.getElementById("grid");
const clock = new Clock();
clock.start();
form.addEventListener("change", () => {
  document.getElementById("tapped").textContent = form.querySelectorAll(":checked").length;
});
form.addEventListener("submit", () => {
  document.getElementById("seconds").value = clock.seconds();
});
