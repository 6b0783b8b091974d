// The rows of the bridge. The model server is the tests' stand-in, in this process, as are the people: what is measured has both in it. The agent
// program is the tests' stand-in, too.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { ChatClient } from "../support/chat_client.mjs";
import { agentProgram, runs, starts } from "../support/cli_agent_notes.mjs";
import { ModelServer } from "../support/model_server.mjs";

const bridge = (model) => ({ backend: "local", backends: { local: { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in" } } } });
const agent = { backend: "agent", backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: "claude", program: agentProgram } } } };
const kEndless = Array.from({ length: 100_000 }, (_, i) => `w${i} `);

async function withModel(use) {
  const model = await ModelServer.start();
  try {
    return await use(model);
  } finally {
    await model.stop();
  }
}

// The same request without a host. `read` gets the pieces of the answer.
async function direct(model, text, read) {
  const request = http.request(`${model.url}/chat/completions`, { method: "POST", agent: false });
  request.on("error", () => {});
  request.end(JSON.stringify({ model: "stand-in", stream: true, messages: [{ role: "user", content: text }] }));
  const [answer] = await once(request, "response");
  answer.on("error", () => {});
  answer.setEncoding("utf8");
  return read(answer, request);
}

export function bridgeRows({ short, host, store, post, used, onDisk, figure, atMost, median, number }) {
  async function restore() {
    const turns = short ? 250 : 2500;
    const session = "s_benchrestore";
    const measure = (count) => withModel((model) => onDisk(async (folder) => {
      const file = path.join(folder, "viaduct.db");
      await store("turns", file, session, count, "local", "llm");
      const seen = { resume: [], next: [], store: [], bytes: 0 };
      for (let i = 0; i < (short ? 2 : 7); ++i) {
        seen.store.push((await store("entries", file, session)).ms);
        await host(folder, bridge(model), async ({ port }) => {
          await post(port, "/apps/chat-0/api/session", {}); // another one is current; the connection is there
          const begin = performance.now();
          const answer = await post(port, "/apps/chat-0/api/session/resume", { session_id: session });
          seen.resume.push(performance.now() - begin);
          assert.equal(answer.context, "transcript");
          const asked = performance.now();
          const chat = post(port, "/apps/chat-0/api/chat", { message: "And now?" });
          const { body, received } = await model.until(i + 1);
          seen.next.push(received - asked);
          await chat;
          const { messages } = body;
          assert.equal(messages.length, 2 * (count + i) + 1);
          for (let turn = 1; turn <= count; ++turn) {
            assert.equal(messages[2 * turn - 2].content, `Question ${turn}, and what follows from it?`);
            assert.ok(messages[2 * turn - 1].content.startsWith(`Answer ${turn}. `));
          }
          assert.deepEqual(messages.at(-1), { role: "user", content: "And now?" });
          seen.bytes = JSON.stringify(body).length;
        });
      }
      return { resume: median(seen.resume), next: median(seen.next), store: median(seen.store), all: seen };
    }));
    const few = await measure(10);
    const many = await measure(turns);
    const name = `session with ${number(2 * turns)} messages, host just started`;
    figure("restore", `${name}: resume to answer`, many.resume, "ms", {
      beside: [{ what: "with 20 messages", value: few.resume, unit: "ms" }, { what: "reading its log without a host", value: many.store, unit: "ms" }],
      target: atMost(100, "ms", many.resume), more: { many: many.all, few: few.all } });
    figure("restore", `  the next message, until the server has all ${number(2 * turns + 1)} (${number(many.all.bytes / 1024)} KiB)`, many.next, "ms", {
      beside: { what: "with 20 messages", value: few.next, unit: "ms" } });
  }

  async function cancelRequest() {
    const turns = short ? 10 : 50;
    await withModel(async (model) => {
      model.script = () => ({ say: kEndless, delay: 2 });
      const alone = [];
      for (let i = 0; i < turns; ++i)
        await direct(model, "count", async (answer, request) => {
          await once(answer, "data");
          const begin = performance.now();
          request.destroy();
          alone.push((await model.until(model.requests.length, ({ ended }) => ended)).endedAt - begin);
        });
      const before = model.requests.length;
      const times = await onDisk((folder) => host(folder, bridge(model), async ({ port }) => {
        const client = await ChatClient.open(`http://127.0.0.1:${port}`, { surface: "chat-0" });
        const took = [];
        for (let i = 0; i < turns; ++i) {
          const { turn } = await client.send("count");
          await client.until(() => client.of("text").some((entry) => entry.turn === turn && entry.text.includes("w3 ")), "the beginning of an answer");
          const begin = performance.now();
          const reply = client.request("cancel", { turn });
          const { ended, endedAt } = await model.until(before + i + 1, (request) => request.ended);
          took.push(endedAt - begin);
          assert.equal(ended, "cut");
          await reply;
          assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
        }
        await client.socket.close();
        return took;
      }));
      const most = (values) => Math.max(...values);
      figure("cancel", `Stop to the closed connection, ${turns} turns, p50`, median(times), "ms", {
        beside: { what: "closing it without a host", value: median(alone), unit: "ms" }, more: { times, alone } });
      figure("cancel", `Stop to the closed connection, ${turns} turns, longest`, most(times), "ms", {
        beside: { what: "closing it without a host", value: most(alone), unit: "ms" }, target: atMost(100, "ms", most(times)) });
    });
  }

  async function cancelProgram() {
    const turns = short ? 3 : 20;
    const times = await onDisk((home) => host(home, agent, async ({ port }) => {
      const client = await ChatClient.open(`http://127.0.0.1:${port}`, { surface: "chat-0" });
      const took = [];
      for (let i = 0; i < turns; ++i) {
        const { turn } = await client.send("count [[words 99999]] [[slow 2]]");
        await client.until(() => client.of("text").some((entry) => entry.turn === turn && entry.text.includes("w3 ")), "the beginning of an answer");
        const { pid } = starts({ home }).at(-1);
        assert.ok(runs(pid));
        const begin = performance.now();
        const reply = client.request("cancel", { turn });
        while (runs(pid)) await new Promise((resolve) => setImmediate(resolve));
        took.push(performance.now() - begin);
        await reply;
        assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
      }
      await client.socket.close();
      return took;
    }));
    const most = Math.max(...times);
    figure("cancel", `Stop to the end of an agent program, ${turns} turns, p50`, median(times), "ms", { more: { times } });
    figure("cancel", `Stop to the end of an agent program, ${turns} turns, longest`, most, "ms", { target: atMost(100, "ms", most) });
  }

  async function models() {
    const sessions = 50;
    const pieces = short ? 100 : 1000;
    const say = (name) => Array.from({ length: pieces }, (_, i) => `${name}.${i} `);
    await withModel(async (model) => {
      // All begin together, when the last has asked.
      const together = () => {
        let go;
        const gate = new Promise((resolve) => (go = resolve));
        let began = 0;
        let asked = 0;
        model.script = ({ body }) => {
          if (++asked === sessions) {
            began = performance.now();
            go();
          }
          return { wait: gate, say: say(body.messages.at(-1).content) };
        };
        return { seconds: () => (performance.now() - began) / 1000 };
      };
      let run = together();
      await Promise.all(Array.from({ length: sessions }, (_, i) => direct(model, `s${i}`, async (answer) => {
        answer.resume();
        await once(answer, "end");
      })));
      const alone = (sessions * pieces) / run.seconds();

      await onDisk((folder) => host(folder, { chats: sessions, ...bridge(model) }, async ({ port, pid }) => {
        const clients = [];
        for (let i = 0; i < sessions; ++i) clients.push(await ChatClient.open(`http://127.0.0.1:${port}`, { surface: `chat-${i}` }));
        run = together();
        const before = used(pid);
        await Promise.all(clients.map(async (client, i) => {
          const { turn } = await client.send(`s${i}`);
          const end = await client.until(() => client.ends(turn)[0], `the end of session ${i}`, 120_000);
          assert.equal(end.data.stop_reason, "end_turn");
        }));
        const seconds = run.seconds();
        const cpu = used(pid) - before;
        for (const [i, client] of clients.entries()) {
          assert.deepEqual(client.texts("text"), [say(`s${i}`).join("")]);
          assert.deepEqual(client.faults, []);
        }
        const deltas = clients.reduce((sum, client) => sum + client.changes.filter(({ change }) => change === "delta").length, 0);
        figure("models", `${sessions} sessions streamed at once, ${number(pieces)} pieces each, all whole`, (sessions * pieces) / seconds, "/s", {
          beside: { what: "the model server alone", value: alone, unit: "/s" }, more: { seconds, deltas, host_cpu_seconds: cpu } });
        figure("models", "  processor time of the host, a piece", (cpu / (sessions * pieces)) * 1e6, "µs");
        await Promise.all(clients.map((client) => client.socket.close()));
      }));
    });
  }

  return {
    restore,
    async cancel() {
      await cancelRequest();
      await cancelProgram();
    },
    models,
  };
}
