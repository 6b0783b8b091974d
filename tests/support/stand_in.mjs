// What the stand-ins of chat networks share: a journal of what was asked of them, complaints, faults that a test wants, and what they bring to the app.
import { request as httpRequest } from "node:http";
import { LocalServer } from "./local_server.mjs";
import { until } from "./wait.mjs";

export class StandIn extends LocalServer {
  journal = []; // every call
  limited = []; // calls that were one too many
  complaints = []; // what a good app never does
  advice = [];
  deliveries = [];
  held = null; // deliveries that wait for release()
  stopped = false;
  #faults = [];

  // What the next calls of that name (or of names that match) get instead, in the order in which it was said. What a fault may be, each stand-in says.
  fault(name, fault, { times = 1, when = () => true } = {}) {
    const entry = { name, fault, left: times, when };
    this.#faults.push(entry);
    return entry;
  }
  nextFault(name, args, entry) {
    const found = this.#faults.find((one) => one.left > 0 && (one.name instanceof RegExp ? one.name.test(name) : one.name === name) && one.when(args ?? {}, entry));
    if (found) Object.assign(found, { left: found.left - 1, reached: (found.reached ?? 0) + 1 });
    return found?.fault ?? null;
  }
  // Holds the calls of a name until open() is called: before they are done, or (after: true) before they are answered.
  gate(name, { after = false, when } = {}) {
    let open;
    const promise = new Promise((resolve) => (open = resolve));
    const entry = this.fault(name, after ? { waitAfter: promise } : { wait: promise }, { times: Infinity, when });
    return { open: () => ((entry.left = 0), open()), get reached() { return entry.reached ?? 0; } };
  }
  complain(words) {
    this.complaints.push(words);
  }
  advise(words) {
    this.advice.push(words);
  }

  // A delivery sets out, or waits with the others when `waits` says that it is of that kind.
  setOut(delivery, waits) {
    if (this.held && waits) this.held.push(delivery);
    else this.#run(delivery);
    return delivery;
  }
  #run(delivery) {
    this.deliveries.push(delivery);
    delivery.run();
  }
  // What happens waits, and then comes in the order that `order` makes of it.
  hold() {
    this.held = [];
  }
  release(order = (all) => all) {
    const all = order(this.held);
    this.held = null;
    for (const delivery of all) this.#run(delivery);
    return all;
  }
  // Waits until everything was acknowledged or given up.
  settled() {
    return this.until(() => this.deliveries.every(({ state }) => state !== "under way"), "the end of all deliveries");
  }
  until(check, what, limit) {
    return until(check, what ?? "it", limit);
  }
}

// One request of somebody who says everything himself: { status, headers, text }.
export function bareRequest(url, text, { method = "POST", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, agent: false, headers: { "content-length": Buffer.byteLength(text), ...headers } }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(text);
  });
}
