/* A form goes once, however often it is sent; after a while again, for who stopped the page while it was on its way. */
const PATIENCE = 5000;

export function once() {
  let sentAt = -Infinity;
  return () => {
    const now = performance.now();
    if (now - sentAt < PATIENCE) return false;
    sentAt = now;
    return true;
  };
}
