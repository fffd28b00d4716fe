/* What the outbox of a page does with the server: an answer or a skip is sent, and what still waits is told. */
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

export function tell(line, { waiting, failing, denied }, words) {
  if (denied && waiting) line.replaceChildren(wayIn(words.sign_in.replace("%s", waiting)));
  else line.textContent = failing && waiting ? words.waiting.replace("%s", waiting) : "";
}

/* Who is signed out, or has signed in again elsewhere, needs this page anew: it asks for the password where need be. */
function wayIn(text) {
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = text;
  return link;
}
