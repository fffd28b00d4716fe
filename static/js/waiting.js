/* The list of projects: a person's answers that wait on this device, of whichever project, are sent from here, too; of
   those of somebody else, who used it before, it is told that they wait. */
import { delivery, tell } from "./label/delivery.js";
import { Outbox, waiting } from "./label/outbox.js";
import { toast } from "./toast.js";

const client = JSON.parse(document.getElementById("client").textContent);
const own = waiting().filter(({ user }) => user === client.user);
const states = new Map(); // of each project's outbox

function tellAll() {
  const all = [...states.values()];
  const [failing, denied] = ["failing", "denied"].map((how) => all.some((state) => state[how]));
  const amount = all.reduce((sum, state) => sum + state.waiting, 0);
  tell(document.getElementById("waiting"), { waiting: amount, failing, denied }, client.words);
}

for (const project of new Set(own.map((one) => one.project))) {
  new Outbox({ user: client.user, project }, {
    send: delivery(client.assignments),
    onChange: (state) => {
      states.set(project, state);
      tellAll();
    },
    onRefused: (_item, message) => toast(message, "bad", 8),
  }).flush();
}
document.getElementById("of-another").hidden = waiting().every(({ user }) => user === client.user);
