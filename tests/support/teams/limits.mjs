// How much the connector takes: so many calls in so many seconds, for a thread and for a tenant.
const kSend = [[7, 1], [8, 2], [60, 30], [1800, 3600]];
const kRead = [[14, 1], [16, 2], [120, 30], [3600, 3600]];
const kTenant = [[50, 1]];
const kReactions = [[2, 1]];
const kStream = [[1, 1]];
const kSlack = 0.9; // of a second: clocks and the network are not exact

export class Limits {
  #seen = new Map(); // key -> times
  #until = new Map(); // key -> when it may call again
  constructor(teams) {
    this.teams = teams;
  }
  // Milliseconds to wait; 0: it is allowed, and counted.
  take(key, windows, now = Date.now()) {
    const second = this.teams.times.second;
    const longest = Math.max(...windows.map(([, seconds]) => seconds)) * second;
    const times = (this.#seen.get(key) ?? []).filter((at) => now - at < longest);
    this.#seen.set(key, times);
    let wait = 0;
    for (const [most, length] of windows) {
      const within = times.filter((at) => now - at < length * second * kSlack);
      if (within.length >= most) wait = Math.max(wait, within[within.length - most] + length * second - now);
    }
    if (wait === 0) {
      times.push(now);
      return 0;
    }
    if (now < (this.#until.get(key) ?? 0)) this.teams.complain(`a call before the end of Retry-After: ${key}`);
    this.#until.set(key, now + Math.max(0, wait - 0.2 * second));
    return wait;
  }
  check({ op, conversation, thread }) {
    const { limits } = this.teams;
    if (limits.off || !conversation) return 0;
    const place = `${conversation.id}${thread ? `;${thread}` : ""}`;
    const tenant = limits.tenant === false ? 0 : this.take(`tenant ${conversation.tenant}`, limits.tenant ?? kTenant);
    if (tenant) return tenant;
    if (["send", "reply", "create", "typing", "final", "update", "delete"].includes(op)) return this.take(`thread ${place}`, limits.send ?? kSend);
    if (op === "stream") return this.take(`stream ${place}`, limits.stream ?? kStream);
    if (op === "react" || op === "unreact") return this.take("reactions", limits.reactions ?? kReactions);
    return this.take(`reads ${place}`, limits.read ?? kRead);
  }
}
