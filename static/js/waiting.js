/* The list of projects: a person's answers that wait on this device, of whichever project, are sent from here, too; of
   those of somebody else, who used it before, it is told that they wait. */
import { delivery, tell } from "./label/delivery.js";
import { Outbox, waiting } from "./label/outbox.js";
import { toast } from "./toast.js";

const client = JSON.parse(document.getElementById("client").textContent);
const own = waiting().filter(({ user }) => user === client.user);

for (const project of new Set(own.map((one) => one.project))) {
  const line = document.getElementById("waiting").appendChild(document.createElement("p"));
  new Outbox({ user: client.user, project }, {
    send: delivery(client.assignments),
    onChange: (state) => tell(line, state, client.words),
    onRefused: (_item, message) => toast(message, "bad", 8),
  }).flush();
}
document.getElementById("of-another").hidden = waiting().every(({ user }) => user === client.user);
