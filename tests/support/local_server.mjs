// What the stand-ins for other people's servers share: an HTTP server on any free port of this machine that ends with its test, and tests that wait
// for its requests. A stand-in answers in `serve`, and calls `look` when something changed that somebody may wait for.
import http from "node:http";

export class LocalServer {
  requests = [];
  script = null; // what it does, each stand-in in its own words
  #server;
  #sockets = new Set();
  #watchers = new Set();

  static async start(t, options = {}) {
    const server = Object.assign(new this(), options);
    await server.listen();
    t?.after(() => server.stop());
    return server;
  }
  async listen(port = 0) {
    this.#server = http.createServer((request, response) => this.serve(request, response).catch((error) => response.destroy(error)));
    if (this.upgrade) this.#server.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise((resolve, reject) => this.#server.once("error", reject).listen(port, "127.0.0.1", resolve));
    this.port = this.#server.address().port;
  }
  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }
  // Waits until `find` gives a request; `what` says what has not come about.
  wait(find, limit, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what()} within ${limit} ms`)), limit);
      const look = () => {
        const request = find();
        if (!request) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(request);
      };
      this.#watchers.add(look);
      look();
    });
  }
  look() {
    for (const look of [...this.#watchers]) look();
  }
}
