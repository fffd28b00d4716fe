/* Whether single letters and digits do something by themselves (WCAG 2.1.4). Who dictates would set them off by each word
   that is heard, and who trembles by a slip: they turn them off by [data-single-keys], for this device. */
const KEY = "crowdtune:single-keys";

function said() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser that keeps nothing
  }
}

let off = said() === "off";

/* Whether the key is one of those, and they are turned off. */
export function isOff({ key }) {
  return off && key.length === 1;
}

for (const box of document.querySelectorAll("[data-single-keys]")) {
  box.checked = !off;
  box.addEventListener("change", () => {
    off = !box.checked;
    try {
      localStorage.setItem(KEY, off ? "off" : "on");
    } catch {
      // It holds for this page, then.
    }
  });
}
