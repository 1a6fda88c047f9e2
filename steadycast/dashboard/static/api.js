// The API over fetch. Errors come back as Problem, with the server's own words.
const TOKEN_KEY = "steadycast.token";
const REQUEST_MS = 20_000; // a read or a create
const STOP_MS = 60_000; // a delete answers only when all is gone; its ladder may take half a minute

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? null;
    this.title = body.title ?? null;
    this.why = body.why ?? null;
    this.hint = body.hint ?? null;
    this.retryAfter = Number.isFinite(body.retry_after) ? body.retry_after : null;
    this.fields = fieldErrors(body.errors);
  }
}

// [{loc: ["body", "source", "width"], msg}] or [{field, message}] → Map of "source.width" → message.
function fieldErrors(errors) {
  const fields = new Map();
  for (const error of Array.isArray(errors) ? errors.slice(0, 32) : []) {
    const path = error.field ?? error.key ?? (error.loc ?? []).filter((part) => part !== "body").join(".");
    const text = error.message ?? error.msg ?? error.why ?? error.detail;
    if (text) fields.set(String(path), String(text));
  }
  return fields;
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

// A response that is not an error, or a Problem thrown.
export async function call(path, { deadline = REQUEST_MS, signal = null, ...options } = {}) {
  const signals = [AbortSignal.timeout(deadline), signal].filter(Boolean);
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
    title: late ? "The host did not answer" : "The host cannot be reached",
    why: late ? `No answer within ${deadline / 1000} s.` : "The connection was refused or lost.",
    hint: "Check that steadycast is running and that this machine can reach it.",
  });
}

async function problemOf(response) {
  try {
    return new Problem(response.status, await response.json());
  } catch {
    return new Problem(response.status, { title: response.statusText || `HTTP ${response.status}` });
  }
}

async function json(path, options) {
  const response = await call(path, options);
  return response.status === 204 ? null : response.json();
}

const PAGES = 50; // pages followed in one list: with the API's page size, more than a host can hold

async function all(path) {
  const items = [];
  let next = null;
  for (let page = 0; page < PAGES; page += 1) {
    const url = new URL(path, location.origin);
    if (next) url.searchParams.set("cursor", next);
    const answer = await json(url.pathname + url.search);
    items.push(...answer.items);
    next = answer.next;
    if (!next) break;
  }
  return items;
}

const one = (noun, id) => `/api/v1/${noun}/${encodeURIComponent(id)}`;

export const system = () => json("/api/v1/system");
export const lobbies = () => all("/api/v1/lobbies");
export const lobby = (id) => json(one("lobbies", id));
export const viewers = () => all("/api/v1/viewers");
export const receipts = async () => (await json("/api/v1/receipts")).items;
export const stopLobby = (id) => json(one("lobbies", id), { method: "DELETE", deadline: STOP_MS });
export const kick = (id) => json(one("viewers", id), { method: "DELETE" });

export function createLobby(body) {
  const headers = { "Content-Type": "application/json" };
  return json("/api/v1/lobbies", { method: "POST", headers, body: JSON.stringify(body), deadline: STOP_MS });
}
