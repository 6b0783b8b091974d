// Loaded first (node --require) into programs that a test starts: what would listen everywhere listens on this computer only.
const net = require("node:net");
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...args) {
  if (["number", "string"].includes(typeof args[0]) && typeof args[1] !== "string") args.splice(1, 0, "127.0.0.1");
  return listen.apply(this, args);
};
