/* The playground: paste or drop a photo and it is asked about at once; without this file the form still works. */
const form = document.getElementById("ask");
const zone = form?.querySelector("[data-playground]");
const input = zone?.querySelector("input[type=file]");

function take(file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    take(file);
  }
});

zone?.addEventListener("drop", (event) => {
  const file = event.dataTransfer?.files[0];
  if (file) {
    event.preventDefault();
    take(file);
  }
});

input?.addEventListener("change", () => {
  const file = input.files[0];
  if (!file) return;
  zone.querySelector(".preview")?.remove();
  const preview = new Image();
  preview.className = "preview";
  preview.alt = "";
  preview.src = URL.createObjectURL(file);
  preview.addEventListener("load", () => URL.revokeObjectURL(preview.src));
  preview.addEventListener("error", () => {
    // A kind of image that the server reads and this browser does not, or no image at all.
    URL.revokeObjectURL(preview.src);
    preview.remove();
  });
  zone.append(preview);
  form.requestSubmit();
});

/* The answer shows the photo itself: the zone steps back and waits for the next. */
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "answer" || !event.target.querySelector(".answer")) return;
  zone.querySelector(".preview")?.remove();
  zone.classList.add("small");
});

/* "This is wrong" sends the same photo to another address, as an ordinary form: htmx must not take it. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-wrong]");
  if (!button) return;
  event.preventDefault();
  form.action = button.getAttribute("formaction");
  form.submit();
});
