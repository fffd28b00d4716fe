/* Where what is open is with other people, or an appeal with the owner: look again, for as long as somebody may wait for
   it before this page. */
import { call, isPassing } from "./label/api.js";

const EVERY = 20_000; // milliseconds
const { claim, appeals } = JSON.parse(document.getElementById("client").textContent);
let looks = 90;

async function look() {
  if (document.hidden) return;
  looks -= 1;
  if (!looks) clearInterval(timer);
  try {
    const { tasks } = await call("POST", claim, {});
    if (appeals || tasks.length) location.reload(); // who is paused would have been refused
  } catch (error) {
    if (!isPassing(error)) location.reload(); // which says why
  }
}

const timer = setInterval(look, EVERY);
