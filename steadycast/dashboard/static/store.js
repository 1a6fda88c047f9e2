// What the page knows of the host: lobbies, viewers, events, receipts. Filled by the API, kept true by the events.
import * as api from "./api.js";
import { EventStream } from "./events.js";
import { isEnding } from "./format.js";
import { isStep } from "./happenings.js";

const EVENTS_KEPT = 300; // and as many steps besides, which so push out nothing that matters
const RECEIPTS_KEPT = 100;
const SETTLE_MS = 60; // events come in bursts: what they touch is asked for once
const FULL_AT = 6; // more lobbies than this touched at once: one list is cheaper than many gets
const LAST_STATES = ["DESTROYED", "CLEANUP_INCOMPLETE"]; // the host has no such lobby after these
const DEVICES_MS = 5000; // what other programs take of a device changes without an event; only while somebody looks
const TRUTH_MS = 30_000; // statistics of viewers and deadlines change without an event

export class Store {
  lobbies = new Map(); // id → LobbyView
  viewers = new Map(); // id → ViewerView
  events = []; // newest first
  receipts = []; // newest first
  receiptsOn = "worker"; // what they are of; empty: of all
  findings = []; // what leaks, also what is over
  system = null;
  gpu = null; // GpuStatus: devices and the line
  devicesWatched = false; // whether somebody looks at them
  loaded = false;
  connected = false;
  problem = null; // why not connected
  #listeners = new Set();
  #eventListeners = new Set();
  #dirty = new Set();
  #viewersDirty = false;
  #receiptsDirty = false;
  #gpuDirty = false;
  #findingsDirty = false;
  #allDirty = false;
  #timer = null;
  #busy = false;
  #drawing = false;
  #stream = new EventStream({
    opened: () => this.#opened(),
    event: (event, gap) => this.#take(event, gap),
    missed: () => this.refresh(),
    lost: (problem) => this.#lost(problem),
  });

  start() {
    this.#stream.start();
    setInterval(() => document.hidden || !this.connected || this.refresh(), TRUTH_MS);
    setInterval(() => document.hidden || !this.connected || !this.devicesWatched || this.refreshGpu(), DEVICES_MS);
  }

  retryNow() {
    this.#stream.retryNow();
  }

  // `listener()` after anything changed, at most once a frame.
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // `listener(event)` for each event that happens from now on.
  onEvent(listener) {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  byIdOrKey(name) {
    return this.lobbies.get(name) ?? [...this.lobbies.values()].find((lobby) => lobby.key === name) ?? null;
  }

  viewersOf(id) {
    return [...this.viewers.values()].filter((viewer) => viewer.lobby === id);
  }

  // Of one lobby, and of the host below it.
  eventsOf(id) {
    return this.events.filter((event) => event.lobby === id || event.kind === "host");
  }

  findingsOf(id) {
    return this.findings.filter((finding) => finding.owner.lobby === id);
  }

  receiptsOf(id) {
    return this.receipts.filter((receipt) => receipt.lobby === id);
  }

  // Show receipts of workers, renditions or viewers, or of all: there may be very many of viewers.
  chooseReceipts(subject) {
    this.receiptsOn = subject;
    this.receipts = [];
    this.#receiptsDirty = true;
    this.#plan();
    this.#changed();
  }

  put(lobby) {
    this.lobbies.set(lobby.id, lobby);
    this.#changed();
  }

  addReceipts(receipts) {
    const known = new Set(this.receipts.map((receipt) => receipt.id));
    const wanted = receipts.filter((receipt) => !this.receiptsOn || receipt.subject === this.receiptsOn);
    this.receipts = [...wanted.filter((receipt) => !known.has(receipt.id)), ...this.receipts];
    this.receipts.sort((a, b) => b.ended - a.ended);
    this.receipts.length = Math.min(this.receipts.length, RECEIPTS_KEPT);
    this.#changed();
  }

  refresh() {
    this.#allDirty = true;
    this.#plan();
  }

  refreshGpu() {
    this.#gpuDirty = true;
    this.#plan();
  }

  #opened() {
    this.connected = true;
    this.problem = null;
    this.refresh(); // whatever was missed while the line was down
  }

  #lost(problem) {
    this.connected = false;
    this.problem = problem;
    this.#changed();
  }

  #take(event, gap) {
    if (gap) this.#allDirty = true; // what was seen of a former run of the host stays: it happened
    this.events.unshift(event);
    const kept = { true: 0, false: 0 };
    this.events = this.events.filter((known) => ++kept[isStep(known)] <= EVENTS_KEPT);
    this.#apply(event);
    for (const listener of this.#eventListeners) listener(event);
    this.#plan();
    this.#changed();
  }

  // What an event says is shown at once; the whole truth is asked for right after.
  #apply(event) {
    const lobby = this.lobbies.get(event.lobby);
    const [, what] = event.name.split(".");
    if (event.kind === "lobby" && lobby && what === what?.toUpperCase() && event.at >= lobby.since) {
      this.lobbies.set(lobby.id, { ...lobby, state: what, since: event.at, why: event.why });
    }
    const over = event.kind === "lobby" && LAST_STATES.includes(what);
    if (over) this.lobbies.delete(event.lobby);
    if (event.name === "viewer.gone") this.viewers.delete(event.viewer);
    if (event.kind === "viewer" || event.kind === "host") this.#viewersDirty = true;
    if (event.kind === "finding") this.#findingsDirty = true;
    // Those of renditions and viewers are told only where something stayed.
    if (event.kind === "receipt" || this.receiptsOn !== "worker") this.#receiptsDirty = true;
    if (event.kind === "encoder" || event.kind === "lobby") this.#gpuDirty = true;
    // A lobby that ends has nothing new to say than its events, and is not found any more a moment later.
    const ends = isEnding(this.lobbies.get(event.lobby)?.state);
    if (over || ends) this.#dirty.delete(event.lobby);
    else if (event.lobby && (event.kind === "lobby" || lobby)) this.#dirty.add(event.lobby);
    else if (event.kind === "host") this.#allDirty = true;
  }

  #plan() {
    if (this.#timer === null && !this.#busy) this.#timer = setTimeout(() => this.#fetch(), SETTLE_MS);
  }

  async #fetch() {
    this.#timer = null;
    this.#busy = true;
    const ids = [...this.#dirty];
    const all = this.#allDirty || ids.length > FULL_AT;
    const jobs = [all ? this.#fetchAll() : Promise.all(ids.map((id) => this.#fetchOne(id)))];
    if (all || this.#viewersDirty) jobs.push(this.#fetchViewers());
    if (all || this.#receiptsDirty) jobs.push(this.#fetchReceipts());
    if (all || this.#gpuDirty) jobs.push(api.gpuStatus().then((gpu) => (this.gpu = gpu)));
    if (all) jobs.push(this.#fetchSystem());
    else if (this.#findingsDirty) jobs.push(this.#fetchFindings());
    this.#dirty.clear();
    this.#allDirty = this.#viewersDirty = this.#receiptsDirty = this.#gpuDirty = this.#findingsDirty = false;
    // A call that fails leaves the old picture: the line is then down too, and its return asks for everything again.
    await Promise.allSettled(jobs);
    this.#busy = false;
    const more = [this.#dirty.size, this.#viewersDirty, this.#receiptsDirty, this.#gpuDirty, this.#findingsDirty];
    if (this.#allDirty || more.some(Boolean)) this.#plan();
    this.#changed();
  }

  async #fetchAll() {
    const lobbies = await api.lobbies();
    this.lobbies = new Map(lobbies.map((lobby) => [lobby.id, lobby]));
    this.loaded = true;
  }

  async #fetchSystem() {
    this.system = await api.system();
    await this.#fetchFindings();
  }

  // A host that does not watch itself has none, and no such address.
  async #fetchFindings() {
    this.findings = this.system?.watched ? await api.findings() : [];
  }

  async #fetchOne(id) {
    try {
      const lobby = await api.lobby(id);
      this.lobbies.set(lobby.id, lobby);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      this.lobbies.delete(id);
    }
  }

  async #fetchReceipts() {
    this.addReceipts(await api.receipts(this.receiptsOn));
  }

  async #fetchViewers() {
    const viewers = await api.viewers();
    this.viewers = new Map(viewers.map((viewer) => [viewer.id, viewer]));
  }

  #changed() {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = () => {
      this.#drawing = false;
      for (const listener of this.#listeners) listener();
    };
    // A hidden page gets no frames, but its title and its player must stay true.
    if (document.hidden) setTimeout(draw, 100);
    else requestAnimationFrame(draw);
  }
}

// Order of the list: trouble first, then by name; ids keep it stable.
const byName = new Intl.Collator(undefined, { numeric: true });
const RANK = { CLEANUP_INCOMPLETE: 0, DEGRADED: 1, STARTING: 2, CREATED: 2 };

export function inOrder(lobbies) {
  const rank = (lobby) => RANK[lobby.state] ?? (isEnding(lobby.state) ? 4 : 3);
  return [...lobbies].sort((a, b) => rank(a) - rank(b) || byName.compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
}
