/* The public API, called with the browser's session. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error?.code ?? "";
  }
}

/* Whose page this is: in another tab somebody else may sign in, in whose name nothing of it may be sent. */
const { user } = JSON.parse(document.getElementById("client").textContent);
export const PERSON = { "X-Person": String(user) };

function csrf() {
  return document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

/* Resolves to the JSON answer (null for 204); rejects with Refusal for an answer that says no, TypeError when offline. */
export async function call(method, address, body, { seconds = 20 } = {}) {
  const response = await fetch(address, {
    method,
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf(), ...PERSON },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(seconds * 1000),
  });
  if (response.status === 204) return null;
  // A page behind the sign-in answers with the way there.
  if (response.redirected) throw new Refusal(401);
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, data.error);
  return data;
}

/* Whether it is the person or the page that is not let in: signed out, signed in anew, paused. */
export function isDenied(error) {
  return error instanceof Refusal && [401, 403].includes(error.status);
}

/* Whether the same request may succeed later without a change. */
export function isPassing(error) {
  return !(error instanceof Refusal) || error.status >= 500 || [401, 403, 408, 425, 429].includes(error.status);
}
