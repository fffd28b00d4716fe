/* The grid task: counts what is tapped and the active time; the form does the rest. What is tapped is kept for this tab, by
   lease: who sends it without a connection, and comes back, finds it where it was, and never on another image. */
import { Clock } from "./label/clock.js";
import { once } from "./label/once.js";

const form = document.getElementById("grid");
const clock = new Clock();
clock.start();
const KEY = "crowdtune:tapped";
function count() {
  document.getElementById("tapped").textContent = form.querySelectorAll(":checked").length;
}
form.addEventListener("change", () => {
  count();
  keep([...form.querySelectorAll(":checked")].map(({ value }) => value));
});
function keep(tapped) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(tapped));
  } catch {
    // Without storage a page that is loaded anew begins anew.
  }
}
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}
for (const id of kept()) {
  const tile = form.querySelector(`[name=tapped][value="${CSS.escape(id)}"]`);
  if (tile) tile.checked = true;
}
count();
addEventListener("pageshow", (event) => {
  // Kept by the browser as it was: these images are answered by now.
  if (event.persisted) location.reload();
});
const goes = once();
form.addEventListener("submit", (event) => {
  if (!goes()) return void event.preventDefault();
  document.getElementById("seconds").value = clock.seconds();
});
