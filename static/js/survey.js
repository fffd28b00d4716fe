/* The builder: the preview follows what is typed. Which options a kind takes is shown by the style sheet. */
let timer = 0;

function refresh() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const form = document.getElementById("builder");
    form?.requestSubmit(document.getElementById("preview-button"));
  }, 500);
}

document.addEventListener("input", (event) => {
  if (event.target.closest("#builder")) refresh();
});
document.body.addEventListener("htmx:afterSwap", refresh);
