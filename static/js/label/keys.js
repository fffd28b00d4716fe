/* The keyboard: digits choose, Enter sends, single letters do the rest. Nothing is taken from a person who types text. */
import { printed } from "../printed.js";
import { isOff } from "../single.js";

export function listen({ page, form, submit, undo, zoom, isBusy }) {
  let sent = false; // by the key before, a choice's own: an Enter that follows it was meant for that answer

  document.addEventListener("keydown", (event) => {
    const isAfter = sent && event.key === "Enter";
    sent = false;
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open], details.menu[open]:not(#skip)")) return; // what lies over the task has the keys
    if (event.repeat && isAnswer(event)) return void event.preventDefault();
    const typing = event.target.closest?.("textarea, select, input:not([type=radio], [type=checkbox])");
    if (event.key === "Enter" && !event.shiftKey && !event.target.closest?.("textarea, button, a, summary, select")) {
      event.preventDefault();
      if (!isAfter) submit();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault(); // it presses no button besides
      return void submit();
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      if (!typing && (event.ctrlKey || event.metaKey) && printed(event) === "z" && !form.boxes.length) {
        event.preventDefault();
        undo();
      }
      return;
    }
    if (isOff(event)) return;
    if (page.skip.open ? reason(event) : act(event)) event.preventDefault();
  });

  /* In the menu of reasons the digits and the arrows are its own: none of them answers the task behind it. */
  function reason({ key, shiftKey, target, code }) {
    const items = [...page.skip.querySelectorAll(".item")];
    const digit = Number(printed({ key, code, shiftKey }));
    const step = { ArrowDown: 1, ArrowUp: -1 }[key];
    const at = items.indexOf(target);
    if (digit) items[digit - 1]?.click();
    else if (step) items.at(at < 0 ? Math.min(step, 0) : (at + step) % items.length).focus();
    else if (printed({ key, code, shiftKey }).toLowerCase() !== "s") return false;
    else {
      page.skip.open = false;
      page.skip.querySelector("summary").focus();
    }
    return true;
  }

  /* A key that is held answers one task, not each that follows. */
  function isAnswer(event) {
    if (event.target.closest?.("textarea, select")) return false;
    if (event.key === "Enter") return true;
    const types = event.target.closest?.("input:not([type=radio], [type=checkbox])");
    return !types && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  }

  function act(event) {
    const key = printed(event).toLowerCase();
    if (key === "u") return void undo() ?? true;
    if (key === "z" && zoom) return void zoom.toggle() ?? true;
    if (key === "escape" && zoom) return void zoom.whole() ?? true;
    if (key === "?") return open("keys");
    if (key === "i") return open("instructions");
    if (key === "e") return open("guide");
    if (key === "s") {
      page.skip.open = true;
      page.skip.querySelector(".item").focus();
      return true;
    }
    return isBusy() ? false : choose(key, event.target);
  }

  function open(id) {
    document.getElementById(id)?.showModal();
    return true;
  }

  /* The question with the focus, which on the image is that of the boxes; else the first one that shows and has no answer
     yet, else the last with such a key: but who is at another question changes no answer that is given. */
  function choose(key, target) {
    const holders = form.fields.filter((field) => field.shown && find(field, key));
    const here = form.fields.find((one) => one.root.contains(target) || one.boxes?.stage.contains(target));
    const field = holders.includes(here)
      ? here
      : holders.find((one) => one.value() === null || (!here && one.kind === "multiple_choice")) ?? (here ? null : holders.at(-1));
    if (!field) return false;
    const choice = find(field, key);
    sent = choice.matches("button");
    choice.click();
    if (!sent) follow(field, choice, target);
    return true;
  }

  /* What a key has chosen is heard, and the question that the next key answers is in sight: that of the focus, else the next
     without an answer. */
  function follow(field, choice, target) {
    const isIn = field.root.contains(target);
    const at = form.fields.indexOf(field);
    const next = isIn || field.kind === "multiple_choice" ? field : form.fields.slice(at).find((one) => one.shown && one.value() === null);
    (next ?? field).root.scrollIntoView({ block: "nearest" });
    if (isIn && choice.type === "radio") return void choice.focus({ preventScroll: true }); // the arrows go on from there
    const chosen = [...field.root.querySelectorAll(".choice:has(:checked) .name")].map(({ textContent }) => textContent);
    if (!field.boxes) page.announce.textContent = `${field.root.querySelector("legend").textContent} ${chosen.join(", ")}`;
  }

  function find(field, key) {
    const alias = { y: "1", n: "2" }[key];
    return (
      field.root.querySelector(`[data-key="${CSS.escape(key)}"]`) ??
      (field.kind === "yes_no" && alias ? field.root.querySelector(`[data-key="${alias}"]`) : null)
    );
  }
}
