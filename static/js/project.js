/* On a phone the row of tabs scrolls: show the one that is open. */
const row = document.querySelector("nav.tabs");
const open = row?.querySelector("[aria-current]");
if (open) row.scrollLeft = open.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;

const sections = document.querySelector(".settings-nav");
const chosen = sections?.querySelector("[aria-current]");
if (chosen) sections.scrollLeft = chosen.offsetLeft - (sections.clientWidth - chosen.offsetWidth) / 2;
