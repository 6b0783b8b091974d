// What the simulator says of its workspace, and what a person sees of it. Pure.
export interface Person {
  id: string;
  name: string;
  guest: boolean;
}
export interface Channel {
  id: string;
  name: string;
  person: string; // whose direct messages these are; empty: a channel
  has_bot: boolean;
}
export interface TextPart {
  type?: string;
  text?: string;
}
export interface Option {
  text?: TextPart;
  value?: string;
}
export interface Control {
  type: string;
  action_id?: string;
  text?: TextPart;
  style?: string;
  placeholder?: TextPart;
  options?: Option[];
  alt_text?: string;
  url?: string;
}
export interface Block {
  type: string;
  text?: TextPart | string;
  fields?: TextPart[];
  elements?: (Control & TextPart)[];
  accessory?: Control;
  alt_text?: string;
}
export interface Message {
  ts: string;
  channel: string;
  thread: string;
  user: string;
  text: string;
  to: string; // who alone sees it; empty: everybody
  streams: boolean;
  edited: boolean;
  blocks: Block[];
  reactions: { name: string; users: string[] }[];
  file?: { name: string; text: string; words: string }; // of a picture the text is its data: address
}
export interface Prompt {
  title: string;
  message: string;
}
export interface World {
  command: string;
  bot: { id: string; name: string };
  people: Person[];
  channels: Channel[];
  messages: Message[]; // by time
  homes: Record<string, Block[]>;
  statuses: Record<string, string>; // by "channel/thread"
  prompts: Record<string, Prompt[]>; // by channel
}
export type Change = Partial<World> & { whole?: boolean; gone?: string[] };

// The world with the change in it. Nothing: the change is to one that is not known yet.
export function merged(world: World | null, change: Change): World | null {
  if (change.whole) return sorted(change as World);
  if (!world) return null;
  const next = { ...world };
  for (const name of ["channels", "homes", "statuses", "prompts"] as const) if (change[name]) next[name] = change[name] as never;
  if (change.gone) {
    const gone = new Set(change.gone);
    next.messages = next.messages.filter(({ ts }) => !gone.has(ts));
  }
  for (const message of change.messages ?? []) {
    const others = next.messages.filter(({ ts, channel }) => ts !== message.ts || channel !== message.channel);
    next.messages = [...others, message];
  }
  return change.messages ? sorted(next) : next;
}
// Timestamps are texts of one length.
const sorted = (world: World): World => ({ ...world, messages: [...world.messages].sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0)) });

const isFor = (message: Message, person: string): boolean => message.to === "" || message.to === person;
// At the top of a channel, as this person sees it.
export const top = (world: World, channel: string, person: string): Message[] =>
  world.messages.filter((one) => one.channel === channel && one.thread === "" && isFor(one, person));
// A thread with the message that it begins with.
export const thread = (world: World, channel: string, ts: string, person: string): Message[] =>
  world.messages.filter((one) => one.channel === channel && (one.ts === ts || one.thread === ts) && isFor(one, person));
export const replies = (world: World, message: Message, person: string): number => thread(world, message.channel, message.ts, person).length - 1;
export const channelsOf = (world: World, person: string): Channel[] => world.channels.filter((one) => one.person === "" || one.person === person);
// Of a channel, or of a thread of it, whoever is to see it.
export const newest = (world: World, channel: string, person: string): string =>
  world.messages.filter((one) => one.channel === channel && one.user !== person && isFor(one, person)).at(-1)?.ts ?? "";

export function nameOf(world: World, user: string): string {
  return user === world.bot.id ? world.bot.name : (world.people.find(({ id }) => id === user)?.name ?? user);
}
export const clock = (ts: string): string => new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

const kEmoji: Record<string, string> = {
  eyes: "👀", hourglass: "⌛", hourglass_flowing_sand: "⏳", white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️",
  wave: "👋", thumbsup: "👍", "+1": "👍", robot_face: "🤖", tada: "🎉", octagonal_sign: "🛑", gear: "⚙️", no_entry: "⛔",
};
export const emoji = (name: string): string => kEmoji[name] ?? `:${name}:`;
