// The real `viaduct`, with a home folder of its own and any free port. VIADUCT_BIN and VIADUCT_PLUGINS say what is tested.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const kStartLimit = 60_000;
const kStopLimit = 20_000;

export class Host {
  port = 0;
  #process = null;
  #output = "";

  // `rules` and `chunkDelay` are the mock's; `allowedHosts` the server's. `yaml` is a whole configuration instead, of which only the port is changed.
  constructor({ rules = [], chunkDelay = "1ms", allowedHosts = [], config = {}, yaml } = {}) {
    this.home = mkdtempSync(path.join(os.tmpdir(), "viaduct-e2e-"));
    this.options = { rules, chunkDelay, allowedHosts, config, yaml };
  }

  static async start(options) {
    const host = new Host(options);
    try {
      await host.start();
    } catch (error) {
      await host.remove();
      throw error;
    }
    return host;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }
  get chat() {
    return `${this.origin}/apps/web-chat/`;
  }
  get settings() {
    return `${this.origin}/apps/settings/`;
  }
  get pid() {
    return this.#process.pid;
  }
  get process() {
    return this.#process;
  }
  get output() {
    return this.#output;
  }

  // Again on the same port, as somebody who restarts it would.
  async start() {
    const { rules, chunkDelay, allowedHosts, config, yaml } = this.options;
    const file = path.join(this.home, "viaduct.yaml");
    writeFileSync(file, yaml?.replace(/^( *listen:) .*$/m, `$1 127.0.0.1:${this.port}`) ?? JSON.stringify({ // JSON is YAML
      server: { listen: `127.0.0.1:${this.port}`, ...(allowedHosts.length ? { allowed_hosts: allowedHosts } : {}) },
      plugins: { path: [process.env.VIADUCT_PLUGINS] },
      store: { path: path.join(this.home, "viaduct.db") },
      backends: { echo: { plugin: "mock", config: { chunk_delay: chunkDelay, record: path.join(this.home, "calls.jsonl"), rules } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" }, settings: { plugin: "settings" } },
      ...config,
    }, null, 1));
    const env = { ...process.env, HOME: this.home, VIADUCT_HOME: this.home };
    this.#process = spawn(process.env.VIADUCT_BIN, ["serve", "--config", file], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.port = await this.#address(this.#process);
  }

  #address(child) {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`viaduct ${why}:\n${this.#output}`));
      const timer = setTimeout(() => fail("did not say where it listens"), kStartLimit);
      const finish = () => clearTimeout(timer);
      let text = "";
      const read = (chunk) => {
        text += chunk;
        this.#output = (this.#output + chunk).slice(-20_000);
        const found = /viaduct listening on http:\/\/127\.0\.0\.1:(\d+)\//.exec(text);
        if (found) {
          finish();
          resolve(Number(found[1]));
        }
      };
      child.stdout.setEncoding("utf8").on("data", read);
      child.stderr.setEncoding("utf8").on("data", read);
      child.once("error", (error) => (finish(), fail(error.message)));
      child.once("exit", (code, signal) => (finish(), fail(`ended (${code ?? signal})`)));
    });
  }

  async #end(signal) {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), kStopLimit);
    await ended;
    clearTimeout(late);
  }
  kill() {
    return this.#end("SIGKILL");
  }
  stop() {
    return this.#end("SIGTERM");
  }
  async remove() {
    await this.kill();
    for (let left = 100; ; --left) {
      try {
        return rmSync(this.home, { recursive: true, force: true });
      } catch (error) {
        if (left === 0 || error.code !== "ENOTEMPTY") throw error;
        await new Promise((resolve) => setTimeout(resolve, 100)); // what it had started may still write there
      }
    }
  }

  async api(method, route, body) {
    const response = await fetch(this.chat + route, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }
}
