/* What stands in the form of a task that is not sent yet: a reload or another language brings the same task again, with a
   new page. Kept for this tab alone, for one person and one task, so that no answer comes to another image, nor from who
   used the device before; its lease may be a new one. */
const KEY = "crowdtune:draft";

export function keep(task, form, user) {
  const answers = task ? form.answers() : {};
  const names = Object.fromEntries(form.fields.map(({ key, combo }) => [key, combo?.name()]));
  try {
    if (Object.keys(answers).length) sessionStorage.setItem(KEY, JSON.stringify({ user, task: task.task, signature: task.signature, answers, names }));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage a reload begins anew.
  }
}

/* Fill the form with what stood there for this task; false when nothing did. */
export function restore(task, form, user) {
  let draft = null;
  try {
    draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return false;
  }
  if (draft?.user !== user || draft.task !== task.task || draft.signature !== task.signature) return false;
  form.learn(draft);
  form.reset(task.order, draft.answers);
  return true;
}
