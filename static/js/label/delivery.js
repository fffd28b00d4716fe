/* What the outbox of a page does with the server: an answer or a skip is sent, and what still waits is told. */
import { toast } from "../toast.js";
import { call, isDenied, isPassing } from "./api.js";

/* How an outbox sends an item, to the address that the assignments are below. */
export function delivery(assignments) {
  return async (item) => {
    const [address, body] = item.skip === undefined
      ? [`${assignments}${item.id}/judgment/`, { answers: item.answers, seconds: item.seconds, language: item.language }]
      : [`${assignments}${item.id}/skip/`, { reason: item.skip }];
    try {
      await call("POST", address, body);
      return { state: "done" };
    } catch (error) {
      return isPassing(error) ? { state: "retry", denied: isDenied(error) } : { state: "refused", message: error.message };
    }
  };
}

/* Each try tells anew how it went: the same words are left alone, or a screen reader would read them out each time.
   `left`: how many more can be answered without a connection, where the page has some. */
export function tell(line, { waiting, failing, denied, left }, words) {
  const isOut = Boolean(denied && waiting);
  const said = isOut ? words.sign_in : failing && waiting ? (left === undefined ? words.waiting : words.waiting_left) : "";
  const text = said.replace("%s", waiting).replace("%s", left);
  if (line.textContent === text) return;
  if (line.textContent && !failing) toast(words.sent, "good");
  line.replaceChildren(isOut ? wayIn(text) : text);
}

/* Who is signed out, or has signed in again elsewhere, needs this page anew: it asks for the password where need be. */
function wayIn(text) {
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = text;
  return link;
}
