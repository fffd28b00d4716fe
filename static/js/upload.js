/* Uploads with progress, in batches, folders included. Without this file the form sends what was chosen at once. */
import { empty, foldersIn, opened, pathOf, usable } from "./dropped.js";
import { toast } from "./toast.js";

const MOST_FILES = 200;
const MOST_BYTES = 16 * 2 ** 20;
const AGAIN = [1, 2, 4, 8, 15]; // seconds between tries

/* Of a phone's HEIC photo its beginning, by which it is refused: docs/decisions/0007-heic-and-avif.md. */
async function readable(file) {
  try {
    const head = file.slice(0, 32);
    if (!/ftyphe[iv]/.test(await head.text())) return file;
    return Object.assign(new File([head], file.name), { within: pathOf(file) });
  } catch {
    return empty(file.name, pathOf(file));
  }
}

/* Files in groups that a server takes in one request. */
function batches(files) {
  const groups = [];
  let group = [];
  let bytes = 0;
  for (const file of files) {
    if (group.length && (group.length >= MOST_FILES || bytes + file.size > MOST_BYTES)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(file);
    bytes += file.size;
  }
  return group.length ? [...groups, group] : groups;
}

async function send(form, files, onProgress) {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.querySelector("[name=csrfmiddlewaretoken]").value);
  for (const file of await Promise.all(files.map(readable))) {
    body.append("uploads", file, file.name);
    body.append("paths", pathOf(file));
  }
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => (request.status < 400 ? resolve(request.responseText) : reject(new Error(request.status))));
    request.addEventListener("error", () => reject(new Error("network")));
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.send(body);
  });
}

/* Tried again where the connection was lost, or the server is being restarted: what has arrived twice is one image. */
async function sendAgain(form, files, onProgress, onLost) {
  for (const seconds of AGAIN) {
    try {
      return await send(form, files, onProgress);
    } catch (error) {
      if (error.message !== "network" && !(Number(error.message) > 500)) throw error;
      onLost();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
  return send(form, files, onProgress);
}

let running = 0;

async function upload(form, all) {
  const files = usable(all, form.dataset.skipped);
  if (!files.length) return;
  running += 1;
  const box = form.querySelector(".upload-progress");
  const bar = box.querySelector("progress");
  const text = box.querySelector("span");
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  let before = 0;
  let count = 0;
  const tell = () => (text.textContent = `${count} ${form.dataset.sent} ${files.length}`);
  box.hidden = false;
  document.body.dataset.uploading = "1";
  try {
    for (const group of batches(files)) {
      const progress = (loaded) => (bar.value = Math.min((before + loaded) / total, 1));
      const html = await sendAgain(form, group, progress, () => (text.textContent = form.dataset.lost));
      before += group.reduce((sum, file) => sum + file.size, 0);
      count += group.length;
      tell();
      const jobs = document.getElementById("jobs");
      if (jobs) htmx.swap(jobs, html, { swapStyle: "outerHTML" });
    }
    running -= 1;
    if (running) return; // another choice is still on its way
    delete document.body.dataset.uploading;
    box.hidden = true;
    if (document.querySelector("#jobs .spinner")) form.closest("dialog")?.close(); // the import's end shows what came
    else location.reload();
  } catch (error) {
    running -= 1;
    if (!running) delete document.body.dataset.uploading;
    tell();
    if (error.message === "401") toast(document.documentElement.dataset.signedOut, "bad", 0);
    toast(form.dataset.failed, "bad");
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const zone = form.querySelector(".dropzone");
  for (const input of [zone.querySelector("input[type=file]"), form.querySelector("[data-folder]")]) {
    input.addEventListener("change", () => {
      upload(form, [...input.files]);
      input.value = ""; // so that the same files can be chosen again after a failure
    });
  }
  zone.addEventListener("drop", async (event) => {
    const entries = foldersIn(event);
    if (!entries) return;
    zone.classList.remove("over");
    upload(form, await opened(entries));
  });
}
