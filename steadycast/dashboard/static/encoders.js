// Words for devices, seats and decisions. Pure: facts in, text out. Each state has a word and a tone, never colour alone.
import { UNKNOWN, codecName, size } from "./format.js";

const DEVICE_STATES = {
  works: { word: "Works", tone: "good", icon: "check" },
  none: { word: "No encoder", tone: "idle", icon: "close" },
  fails: { word: "Driver fails", tone: "bad", icon: "incomplete" },
  hung: { word: "Driver hangs", tone: "bad", icon: "incomplete" },
  absent: { word: "Not here", tone: "idle", icon: "close" },
  off: { word: "Off by the config", tone: "idle", icon: "close" },
};
const BREAKERS = {
  closed: { word: "Closed: takes new work", tone: "good" },
  open: { word: "Open: no new work", tone: "warn" },
  trying: { word: "Being tried", tone: "busy" },
  latched: { word: "Latched: no new work until somebody retries it", tone: "bad" },
};
const ORIGINS = { configured: "set in the config", learned: "learned", table: "from the driver table" };
const RESULTS = {
  grant: { word: "Granted", tone: "good", icon: "check" },
  fallback: { word: "Software instead", tone: "warn", icon: "degraded" },
  queue: { word: "In the line", tone: "busy", icon: "ending" },
  deny: { word: "Refused", tone: "bad", icon: "incomplete" },
  promotion: { word: "Moved to hardware", tone: "good", icon: "check" },
};
const DENIALS = {
  encoder_sessions: "No encoder session is free",
  vram: "Too little video memory",
  cpu_budget: "The CPU has no room for another encoder",
  gpu_quarantined: "The GPU gets no new work now",
  no_encoder: "Nothing here encodes this",
  driver_refused: "The driver refused",
  descriptors: "Too few file descriptors",
  memory: "Too little memory for an encoder in software",
  viewers: "All viewer places are taken",
  queue_full: "The line for an encoder is full",
  queue_timeout: "No encoder became free in time",
};

// A breaker that is not closed says more than that the driver answers.
export function deviceLook(device) {
  if (device.state === "works" && device.breaker.state === "latched")
    return { word: "Latched", tone: "bad", icon: "incomplete" };
  if (device.state === "works" && device.breaker.state === "open")
    return { word: "Resting", tone: "warn", icon: "degraded" };
  return DEVICE_STATES[device.state] ?? { word: String(device.state), tone: "idle", icon: "created" };
}

// Vendors that are here and do not answer as they should: nothing is known of their devices then.
export function vendorTroubles(gpu) {
  const words = { fails: "cannot be asked", hung: "does not answer" };
  return (gpu.vendors ?? [])
    .filter(({ state }) => words[state])
    .map(({ vendor, state, why, hint }) => [`The vendor ${vendor} ${words[state]}${why ? `: ${why}` : ""}.`, hint].filter(Boolean).join(" "));
}

export function breakerLook(state) {
  return BREAKERS[state] ?? { word: String(state), tone: "idle" };
}

export function resultLook(result) {
  return RESULTS[result] ?? { word: String(result), tone: "idle", icon: "created" };
}

export function isDenial(code) {
  return Object.hasOwn(DENIALS, code ?? "");
}

export function denialText(code) {
  return DENIALS[code] ?? String(code ?? "");
}

export function gigabytes(bytes) {
  if (!Number.isFinite(bytes)) return UNKNOWN;
  const gib = bytes / 2 ** 30;
  return gib >= 1 || bytes === 0 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function megapixels(pixels) {
  if (!Number.isFinite(pixels)) return UNKNOWN;
  const mega = pixels / 1e6;
  return `${mega > 0 && mega < 10 ? mega.toFixed(1) : Math.round(mega)} Mpixel/s`; // little is not nothing
}

export function percent(share) {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : UNKNOWN;
}

// What an amount of a quota is measured in.
export function amountText(quota, amount) {
  if (/^(vram|bar1):/.test(quota)) return gigabytes(amount);
  return quota === "cpu" ? megapixels(amount) : String(Math.round(amount * 100) / 100);
}

// Sessions of a device and of its pool: {lent, foreign, others, limit, text}. `all`: every device.
export function sessions(device, all) {
  const pool = all.filter((other) => other.pool === device.pool && other.id !== device.id);
  const others = pool.reduce((sum, other) => sum + other.sessions_lent + (other.sessions_foreign ?? 0), 0);
  const { sessions_lent: lent, sessions_foreign: foreign, sessions_limit: limit } = device;
  const origin = ORIGINS[device.sessions_limit_origin] ?? "origin unknown";
  const text = [
    `${lent} lent`,
    foreign === null ? "other programs unknown" : `${foreign} by other programs`,
    pool.length ? `${others} on ${pool.length} more of its pool` : null,
    limit === null ? "no limit known" : `limit ${limit} (${origin})`,
  ];
  return { lent, foreign: foreign ?? 0, others, limit, text: text.filter(Boolean).join(" · ") };
}

export function sessionText(session) {
  const pid = session.pid === null ? "pid unknown" : `pid ${session.pid}`;
  const what = [codecName(session.codec), size(session.width, session.height)].filter(Boolean).join(" ");
  return [`${session.name ?? "name unknown"} (${pid})`, what].filter(Boolean).join(" · ");
}

// Where a rendition encodes, for a person.
export function seatText(seat) {
  if (!seat) return "";
  return seat.hardware ? `Hardware: ${seat.device_name}` : `Software: ${seat.device_name}`;
}

// Memory that was to stay on the GPU and went through the CPU.
export function memoryText(seat) {
  if (!seat?.memory_planned || seat.memory === seat.memory_planned) return "";
  return `${seat.memory_planned} was planned; pictures go through the memory of the CPU.`;
}

// Why a rendition is in software though it would rather not be, with its place; empty where all is as wished.
export function softwareText(rendition) {
  const { seat, place } = rendition;
  if (!seat?.software_code || seat.hardware) return "";
  const why = seat.software_why || `${denialText(seat.software_code)}.`;
  return [`In software, though hardware is preferred. ${why}`, placeText(place)].filter(Boolean).join(" ");
}

// Whether something is in software that could be in hardware here: where no GPU encodes it there is nothing to warn of.
export function isInstead(gpu, lobbies) {
  return Boolean(gpu?.software_mode) && lobbies.some((lobby) => lobby.renditions.some(softwareText));
}

export function placeText(place) {
  return place ? `Place ${place.position} in the line for hardware.` : "";
}

// One line for a lobby: where its running renditions encode. {text, tone}
export function lobbyEncoders(lobby) {
  const seats = lobby.renditions.filter((rendition) => rendition.seat);
  if (!seats.length) return { text: "", tone: null };
  const worse = seats.find(softwareText);
  const names = [...new Set(seats.map(({ seat }) => seatText(seat)))].join(", ");
  if (!worse) return { text: names, tone: null };
  const place = worse.place ? `, place ${worse.place.position} in the line` : "";
  return { text: `In software though hardware is preferred${place}`, tone: "warn" };
}

// Whoever waits before it has any picture, of this lobby (and rendition, if one is chosen); null: nobody.
export function waitingFor(gpu, lobby, rendition) {
  const waits = (gpu?.waiting ?? []).filter((place) => place.lobby === lobby && !place.promotion);
  return waits.find((place) => !rendition || place.holder === `${lobby}/${rendition}`) ?? null;
}

// What an encoder that is slow leaves out.
export function droppedText(raw) {
  if (!raw || raw.dropped * 100 < raw.came) return ""; // less than one in a hundred: a hiccup
  const part = Math.round((100 * raw.dropped) / raw.came);
  return `Its encoder is too slow: ${part} % of the pictures are left out. A smaller picture or fewer frames help.`;
}
