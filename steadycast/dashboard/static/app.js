// Begins everything: routes of the address bar, the frame around the panes, one player for the whole page.
import { onTokenWanted } from "./api.js";
import { CreateForm } from "./create.js";
import { LobbyDetail } from "./detail.js";
import { Devices } from "./devices.js";
import { add, clear, h, setAttr, setText, show } from "./dom.js";
import { count } from "./format.js";
import { eventNote, eventText, eventTone } from "./happenings.js";
import { icon } from "./icons.js";
import { LobbyList } from "./list.js";
import { Login } from "./login.js";
import { Overview } from "./overview.js";
import { Player } from "./player.js";
import { Store } from "./store.js";
import { toast } from "./toast.js";

const byId = (id) => document.getElementById(id);
const LATE_MS = 700; // a line that is back sooner is not worth a banner

class App {
  constructor() {
    this.began = Date.now() / 1000;
    this.store = new Store();
    this.player = new Player(this.store);
    this.list = new LobbyList(byId("list"), this.store);
    this.login = new Login(() => this.store.retryNow()); // the return of the line asks for everything
    this.pane = null;
    this.frame = {
      panes: byId("panes"),
      main: byId("main"),
      live: byId("live"),
      host: byId("host"),
      banner: byId("banner"),
    };
    this.liveText = h("span");
    add(this.frame.live, [h("span.dot", { "aria-hidden": "true" }), this.liveText]);
    this.bannerText = h("span");
    add(this.frame.banner, [
      icon("degraded"),
      this.bannerText,
      h("button.button", { type: "button", onclick: () => this.store.retryNow() }, "Try now"),
    ]);
    byId("theme").append(icon("theme"), icon("sun"), icon("moon"));
    byId("new").prepend(icon("plus"));
    byId("devices").prepend(icon("worker"));
  }

  start() {
    onTokenWanted((problem) => this.login.ask(problem));
    this.store.subscribe(() => this.draw());
    this.store.onEvent((event) => this.tell(event));
    addEventListener("hashchange", () => this.route(true));
    addEventListener("keydown", (event) => this.key(event));
    this.route(false);
    this.store.start();
  }

  // #/ , #/new , #/devices , #/lobby/<id or key>
  route(moved) {
    const [, noun, name] = /^#\/(\w*)\/?(.*)$/.exec(location.hash) ?? [];
    let id = null;
    try {
      id = noun === "lobby" && name ? decodeURIComponent(name) : null;
    } catch {
      id = name; // a broken escape is no lobby; the pane will say so
    }
    this.player.watch(null);
    if (id) this.pane = new LobbyDetail(id, this.store, this.player);
    else if (noun === "new") this.pane = new CreateForm(this.store, (lobby) => this.created(lobby));
    else if (noun === "devices") this.pane = new Devices(this.store);
    else this.pane = new Overview(this.store);
    setAttr(this.frame.panes, "data-view", id ? "lobby" : ["new", "devices"].includes(noun) ? noun : "overview");
    setAttr(byId("devices"), "aria-current", noun === "devices" ? "page" : null);
    this.store.devicesWatched = noun === "devices";
    add(clear(this.frame.main), [this.pane.element]);
    this.frame.main.scrollTop = 0;
    this.draw();
    if (!moved) return;
    scrollTo(0, 0);
    if (this.pane.focus) this.pane.focus();
    else this.pane.element.querySelector("h1").focus({ preventScroll: true });
  }

  // What became of the host itself, and a leak, to whoever looks at something else. What was before the page is not news.
  tell(event) {
    const leak = event.name === "finding.confirmed" || event.name === "finding.worse";
    if ((event.kind !== "host" && !leak) || !this.store.loaded || event.at < this.began) return;
    toast(eventText(event), eventNote(event), eventTone(event));
  }

  created(lobby) {
    this.store.put(lobby);
    location.hash = `#/lobby/${encodeURIComponent(lobby.id)}`;
  }

  draw() {
    const name = this.pane.id ?? null;
    const lobby = name ? this.store.byIdOrKey(name) : null;
    this.list.select(lobby?.id ?? null);
    this.pane.draw?.();
    this.drawFrame();
    const title = lobby ? `${lobby.name} · Steadycast` : "Steadycast";
    if (document.title !== title) document.title = title;
  }

  drawFrame() {
    const { connected, loaded, problem, system } = this.store;
    const viewers = [...this.store.lobbies.values()].reduce((sum, lobby) => sum + lobby.viewers, 0);
    const leaks = this.store.findings.filter((finding) => finding.state === "confirmed").length;
    const leaking = leaks ? count(leaks, "confirmed leak") : null;
    const parts = [system?.name ?? location.host, system?.version, loaded ? count(viewers, "viewer") : null, leaking];
    setText(this.frame.host, parts.filter(Boolean).join(" · "));
    setAttr(this.frame.live, "data-tone", connected ? "good" : "bad");
    setText(this.liveText, connected ? "Live" : loaded ? "Not connected" : "Connecting");
    this.drawBanner(connected, loaded, problem);
  }

  drawBanner(connected, loaded, problem) {
    if (connected || problem?.status === 401) {
      clearTimeout(this.late);
      this.late = null;
      show(this.frame.banner, false);
      return;
    }
    // Pictures do not come from who answers here: they may go on while it is away, and mostly do.
    const rest = this.player.playing ? "The picture plays on; the rest" : "What you see";
    const what = loaded ? `Not connected. ${rest} is the last that was known.` : "Not connected.";
    setText(this.bannerText, `${what} ${problem?.why ?? "The line to the host was lost."} Trying again.`);
    this.late ??= setTimeout(() => show(this.frame.banner, !this.store.connected), LATE_MS);
  }

  // "/" filters, "n" makes a lobby, "d" shows the devices, Escape goes back. Never while a person types.
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === "/") {
      event.preventDefault();
      this.list.search.hidden = false;
      this.list.filter.focus();
    } else if (event.key === "n") {
      event.preventDefault();
      location.hash = "#/new";
    } else if (event.key === "d") {
      location.hash = "#/devices";
    } else if (
      event.key === "Escape" &&
      !event.defaultPrevented &&
      !document.fullscreenElement &&
      this.frame.panes.dataset.view !== "overview" &&
      !event.target.closest(".confirm")
    ) {
      location.hash = "#/";
    }
  }
}

new App().start();
