// The API over fetch. Errors come back as Problem, with the server's own words.
const TOKEN_KEY = "steadycast.token";
const REQUEST_MS = 20_000; // a read or a create
const STOP_MS = 60_000; // a delete answers only when all is gone; its ladder may take half a minute

// `message` says what went wrong; why and hint are null where the host has none.
// `fields`: Map of "source.width" → what is wrong there.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? null;
    this.why = body.why ?? null;
    this.hint = body.hint ?? null;
    this.retryAfter = Number.isFinite(body.retry_after) ? body.retry_after : null;
    this.fields = fieldTexts(body);
  }
}

const FIELDS = 32; // field problems kept of one answer

// From `errors` of the problem; a single one may also stand before a colon in the detail: "source.width: is odd."
function fieldTexts(body) {
  const texts = new Map();
  for (const { field, message, allowed, nearest } of Array.isArray(body.errors) ? body.errors.slice(0, FIELDS) : []) {
    const meant = nearest ? `Did you mean ${nearest}?` : null;
    texts.set(plainPath(field), [sentence(message), allowed, meant].filter(Boolean).join(" "));
  }
  const [, path, text] = /^([a-z_]+(?:\.[a-z_]+|\.\d+|\[\d+\])*): (.+)$/s.exec(body.detail ?? "") ?? [];
  if (path && texts.size === 0)
    texts.set(plainPath(path), [sentence(text), body.why, body.hint].filter(Boolean).join(" "));
  return texts;
}

function plainPath(path) {
  return String(path).replaceAll(/\[(\d+)\]/g, ".$1");
}

function sentence(text) {
  const words = String(text ?? "");
  return words ? words[0].toUpperCase() + words.slice(1) : words;
}

let askForToken = () => {};

// `ask(problem)` is called when the host wants a token that this page does not have.
export function onTokenWanted(ask) {
  askForToken = ask;
}

export function token() {
  try {
    return sessionStorage.getItem(TOKEN_KEY);
  } catch {
    return null;
  }
}

export function setToken(value) {
  if (value) sessionStorage.setItem(TOKEN_KEY, value);
  else sessionStorage.removeItem(TOKEN_KEY);
}

export function authorization() {
  const value = token();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

// A response that is not an error, or a Problem thrown. Without a deadline the caller ends it by its signal.
export async function call(path, { deadline = REQUEST_MS, signal = null, ...options } = {}) {
  const signals = [deadline ? AbortSignal.timeout(deadline) : null, signal].filter(Boolean);
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers: { Accept: "application/json", ...authorization(), ...options.headers },
      signal: AbortSignal.any(signals),
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable(error.name === "TimeoutError", deadline);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401) askForToken(problem);
  throw problem;
}

function unreachable(late, deadline) {
  return new Problem(0, {
    code: "page.unreachable",
    detail: late ? "The host did not answer." : "The host cannot be reached.",
    why: late ? `No answer within ${deadline / 1000} s.` : "The connection was refused or lost.",
    hint: "Check that steadycast is running and that this machine can reach it.",
  });
}

async function problemOf(response) {
  try {
    return new Problem(response.status, await response.json());
  } catch {
    return new Problem(response.status, { detail: response.statusText }); // not from our host: a proxy in between
  }
}

async function json(path, options) {
  const response = await call(path, options);
  return response.status === 204 ? null : response.json();
}

const PAGE = 200; // items of one answer, the most that the API gives
const PAGES = 50; // pages followed in one list: more than a host can hold

async function all(path) {
  const items = [];
  let next = null;
  for (let page = 0; page < PAGES; page += 1) {
    const query = new URLSearchParams({ limit: PAGE, ...(next ? { after: next } : {}) });
    const answer = await json(`${path}?${query}`);
    items.push(...answer.items);
    next = answer.next;
    if (!next) break;
  }
  return items;
}

// A query without what is null or empty.
function query(wanted) {
  return new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== null && value !== ""));
}

const one = (noun, id) => `/api/v1/${noun}/${encodeURIComponent(id)}`;

export const system = () => json("/api/v1/system");
export const lobbies = () => all("/api/v1/lobbies");
export const lobby = (id) => json(one("lobbies", id));
export const viewers = () => all("/api/v1/viewers");
export const receipts = async (subject) => (await json(`/api/v1/receipts?${query({ limit: 100, subject })}`)).items;
export const findings = () => all("/api/v1/findings");
// The first part of it; an empty `detail` means all of a resource.
export const history = async (wanted) => (await json(`/api/v1/history?${new URLSearchParams(wanted)}`)).items;
export const gpuStatus = () => json("/api/v1/system/gpu-status");
export const lobbyMemory = (lobby) => json(`/api/v1/lobbies/${encodeURIComponent(lobby)}/memory`);
export const pools = () => json(`/api/v1/pools?${query({ limit: 50 })}`);
export const leases = (limit, after) => json(`/api/v1/leases?${query({ limit, after })}`);
export const admissions = (wanted) => json(`/api/v1/admissions?${query(wanted)}`);
export const stopLobby = (id) => json(one("lobbies", id), { method: "DELETE", deadline: STOP_MS });
export const kick = (id) => json(one("viewers", id), { method: "DELETE" });

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return json(path, { method: "POST", headers, body: JSON.stringify(body), deadline: STOP_MS });
}

export const createLobby = (body) => post("/api/v1/lobbies", body);
export const recycleLobby = (id) => post(`${one("lobbies", id)}/recycle`, {});
export const restartLobby = (id) => post(`${one("lobbies", id)}/restart`, {});
export const evidenceOf = (receipt) => json(`${one("receipts", receipt)}/evidence`);
export const retryDevice = (id) => post(`${one("devices", id)}/retry`, {});
