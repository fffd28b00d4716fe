/* A message in the corner, read out by screen readers. `kind`: good | warn | bad | info. */
const ICONS = { good: "circle-check", warn: "triangle-alert", bad: "circle-x", info: "info" };

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/* What stands there already is counted: ten answers that are refused for one reason would cover a phone. */
export function toast(text, kind = "info", seconds = 5) {
  const list = document.getElementById("toasts");
  if (!list || !text) return;
  const same = [...list.children].find(({ textContent }) => textContent === text);
  if (same) {
    same.dataset.times = Number(same.dataset.times ?? 1) + 1;
    return;
  }
  const item = document.createElement("li");
  item.className = `toast ${kind}`;
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  item.append(icon(ICONS[kind] ?? "info"), paragraph);
  item.addEventListener("click", () => item.remove());
  list.append(item);
  if (seconds) setTimeout(() => item.remove(), seconds * 1000);
}

const KEY = "crowdtune:told";

/* A page that leaves by itself takes along what went wrong: nobody has had the time to read it. */
export function carry() {
  const told = [...document.querySelectorAll("#toasts > .toast.bad")].map(({ textContent }) => textContent);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(told));
  } catch {
    // Without storage it goes with the page.
  }
}

export function carried() {
  try {
    for (const text of JSON.parse(sessionStorage.getItem(KEY) ?? "[]")) toast(text, "bad", 8);
    sessionStorage.removeItem(KEY);
  } catch {
    // Without storage there is nothing.
  }
}
