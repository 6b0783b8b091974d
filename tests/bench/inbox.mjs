// The row of the inbox: what a webhook of somebody else's network costs until it is on disk and acknowledged, beside the same request that is not kept
// and the same bytes synced to the same disk. The surface is the tests' post office.
const kConnections = 64;
const event = JSON.stringify({
  token: "x", team_id: "T0ACME", api_app_id: "A0APP", type: "event_callback", event_id: "Ev0123456789", event_time: 1700000000, keys: [],
  event: { type: "app_mention", user: "U0ALICE", text: "<@U0BOT> what is left to do before the release?", ts: "1700000000.000100", channel: "C0GENERAL", event_ts: "1700000000.000100" },
  authorizations: [{ enterprise_id: null, team_id: "T0ACME", user_id: "U0BOT", is_bot: true, is_enterprise_install: false }],
});

export function inboxRows({ short, host, load, onDisk, figure, atMost, atLeast, used }) {
  const seconds = short ? 2 : 10;
  return {
    async inbox() {
      await onDisk((folder) => host(folder, { surfaces: { post: { plugin: "post_office", config: { world: folder } } } }, async ({ port, pid }) => {
        const measure = async (route) => {
          const before = used(pid);
          const found = await load("requests", port, `/apps/post/${route}`, kConnections, seconds, event);
          return { ...found, cpu_us: ((used(pid) - before) * 1e6) / (found.per_second * seconds) };
        };
        await measure("plain");
        const plain = await measure("plain");
        const kept = await measure("only-receive");
        const synced = await load("sync", folder, Math.min(seconds, 3));
        const more = { kept, plain, synced };
        figure("inbox", `events received, on disk and acknowledged, ${kConnections} connections`, kept.per_second, "/s", { beside: { what: "not kept", value: plain.per_second, unit: "/s" }, target: atLeast(20_000, "/s", kept.per_second), more });
        figure("inbox", "  p99", kept.p99_us / 1000, "ms", { beside: { what: "not kept", value: plain.p99_us / 1000, unit: "ms" }, target: atMost(10, "ms", kept.p99_us / 1000) });
        figure("inbox", "  processor time of the host for each", kept.cpu_us, "µs", { beside: { what: "not kept", value: plain.cpu_us, unit: "µs" } });
      }));
    },
  };
}
