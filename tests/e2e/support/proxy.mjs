// A network that can be cut: a TCP relay between the browser and the host.
import { once } from "node:events";
import net from "node:net";

export class Proxy {
  #sockets = new Set();
  #server = net.createServer((near) => this.#relay(near));
  #up = true;
  target = 0;

  static async start() {
    const proxy = new Proxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }
  get port() {
    return this.#server.address().port;
  }
  get host() {
    return `127.0.0.1:${this.port}`;
  }

  // Every connection breaks, and new ones break at once.
  cut() {
    this.#up = false;
    for (const socket of this.#sockets) socket.destroy();
  }
  restore() {
    this.#up = true;
  }
  // Nothing gets through any more and nobody is told, as when a phone leaves the room.
  freeze() {
    for (const socket of this.#sockets) socket.pause();
  }
  async stop() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #relay(near) {
    near.on("error", () => undefined);
    if (!this.#up) return void near.destroy();
    const far = net.connect(this.target, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (data) => to.write(data));
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
