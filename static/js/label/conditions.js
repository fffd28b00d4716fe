/* `show_if` in the browser: the same rules as labeling/questions/conditions.py, which decides on the server. */
export function holds(condition, answers) {
  if (!condition) return true;
  if ("all" in condition) return condition.all.every((part) => holds(part, answers));
  if ("any" in condition) return condition.any.some((part) => holds(part, answers));
  if ("not" in condition) return !holds(condition.not, answers);
  const answer = answers[condition.question];
  if ("answered" in condition) return (answer !== undefined && answer !== null) === Boolean(condition.answered);
  if (answer === undefined || answer === null) return false;
  if ("equals" in condition) return same(answer, condition.equals);
  if ("in" in condition) return condition.in.some((value) => same(answer, value));
  if ("contains" in condition) return Array.isArray(answer) && answer.includes(condition.contains);
  if (typeof answer !== "number") return false;
  return "at_least" in condition ? answer >= condition.at_least : answer <= condition.at_most;
}

function same(a, b) {
  // Several choices, of which none is the first: a page may shuffle them.
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item) => b.some((other) => same(item, other)));
  return JSON.stringify(a) === JSON.stringify(b);
}
