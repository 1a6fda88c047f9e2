// What a person sees of the player: the video, what is going on, and the controls. Decides nothing.
import { Caution } from "./caution.js";
import { add, clear, h, setAttr, setText, show } from "./dom.js";
import { icon } from "./icons.js";
import { StatsPanel } from "./stats.js";

const VOLUME_KEY = "steadycast.volume";
const AUTOMATIC = "";
const DELAYS = 500; // frames; they are asked for once a second

function savedVolume() {
  try {
    const value = Number.parseFloat(localStorage.getItem(VOLUME_KEY));
    return value >= 0 && value <= 1 ? value : 1;
  } catch {
    return 1;
  }
}

export class Screen {
  #delays = { shown: [], glass: [] }; // seconds, of the frames painted since they were last asked for
  // `actions`: {toggle(), again(), rendition(name)}.
  constructor(actions) {
    this.actions = actions;
    this.video = h("video", {
      autoplay: true,
      playsinline: true,
      muted: true,
      tabindex: "-1",
      "aria-label": "Picture of the lobby",
    });
    this.video.volume = savedVolume();
    this.stats = new StatsPanel();
    this.#overlay();
    this.#controls();
    this.box = h(
      "figure.screen",
      {
        tabindex: "0",
        "aria-label": "Player. Space plays or stops, M is sound, F is full screen",
        onkeydown: (event) => this.#key(event),
      },
      this.video,
      this.cover,
      this.bar,
    );
    this.caution = new Caution(h("a", { href: "#/devices" }, "Devices"));
    this.element = h(
      "section.player",
      { "aria-label": "Player" },
      this.box,
      this.caution.element,
      this.stats.element,
    );
    this.video.addEventListener("volumechange", () => this.#showSound());
    this.#showSound();
    this.#watchFrames();
  }

  #overlay() {
    this.title = h("p.cover-title");
    this.why = h("p.cover-why");
    this.hint = h("p.cover-hint");
    this.code = h("p.cover-code");
    this.againText = h("span", {}, "Play");
    this.spin = h("span.spinner", { "aria-hidden": "true" });
    this.again = h(
      "button.button.cover-play",
      // It may count seconds, which nobody wants to hear read out.
      { type: "button", "aria-live": "off", onclick: () => this.actions.again() },
      icon("play"),
      this.againText,
    );
    this.cover = h(
      "div.cover",
      { role: "status", "aria-live": "polite" },
      this.spin,
      this.title,
      this.why,
      this.hint,
      this.code,
      this.again,
    );
  }

  #controls() {
    this.playButton = h("button.control", { type: "button", onclick: () => this.actions.toggle() });
    this.soundButton = h("button.control", { type: "button", onclick: () => this.#toggleSound() });
    this.volume = h("input.volume", {
      type: "range",
      min: "0",
      max: "1",
      step: "0.05",
      value: String(this.video.volume),
      "aria-label": "Volume",
      oninput: () => this.#setVolume(),
    });
    this.choice = h("select.choice", {
      "aria-label": "Rendition",
      onchange: () => this.actions.rendition(this.choice.value || null),
    });
    this.fullButton = h(
      "button.control",
      { type: "button", "aria-label": "Full screen", title: "Full screen (F)", onclick: () => this.#full() },
      icon("full"),
    );
    this.badge = h("span.badge");
    this.bar = h(
      "div.controls",
      {},
      this.playButton,
      this.soundButton,
      this.volume,
      this.badge,
      h("span.grow"),
      this.choice,
      this.fullButton,
    );
  }

  // {tone: "play" | "busy" | "wait" | "off" | "bad", title, why, hint, code, badge}; only the sentences that are known.
  // `again`: {text, ready} of the button that tries again, where it is not the usual one.
  // `still`: it waits, but nothing is under way.
  say({ tone, title = "", why = "", hint = "", code = "", badge = "", again = null, still = false }) {
    this.tone = tone;
    setAttr(this.box, "data-tone", tone);
    setText(this.title, title);
    setText(this.why, why);
    setText(this.hint, hint);
    setText(this.code, code);
    setText(this.badge, badge);
    show(this.cover, tone !== "play");
    setAttr(this.box, "data-refused", again !== null);
    show(this.spin, again === null && !still && (tone === "busy" || tone === "wait"));
    show(this.again, again !== null || tone === "off" || tone === "bad");
    setText(this.againText, again?.text ?? "Play");
    this.again.disabled = again?.ready === false;
    const running = tone === "play" || tone === "busy" || tone === "wait";
    this.#button(this.playButton, running ? "stop" : "play", running ? "Stop playing (Space)" : "Play (Space)");
  }

  // Choices of renditions; the chosen one stays, whatever the list says.
  offer(names, chosen) {
    const wanted = [AUTOMATIC, ...names].join("\n");
    if (this.choice.dataset.names !== wanted) {
      this.choice.dataset.names = wanted;
      add(clear(this.choice), [
        h("option", { value: AUTOMATIC }, "Automatic"),
        ...names.map((name) => h("option", { value: name }, name)),
      ]);
    }
    const value = chosen && names.includes(chosen) ? chosen : AUTOMATIC;
    if (this.choice.value !== value) this.choice.value = value;
    show(this.choice, names.length > 0);
  }

  // Shows a stream. Sound that the browser does not allow without a click is turned off rather than the picture.
  async play(stream) {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== "NotAllowedError") return; // the stream was changed or ended meanwhile
      this.video.muted = true;
      await this.video.play().catch(() => undefined);
    }
  }

  blank() {
    this.video.srcObject = null;
    this.delays();
    this.stats.reset();
  }

  #toggleSound() {
    this.video.muted = !this.video.muted;
    if (!this.video.muted && this.video.volume === 0) this.video.volume = 0.5;
  }

  #setVolume() {
    this.video.volume = Number(this.volume.value);
    this.video.muted = this.video.volume === 0;
    try {
      localStorage.setItem(VOLUME_KEY, this.volume.value);
    } catch {
      // storage is off: the volume lasts until reload
    }
  }

  #showSound() {
    const { muted, volume } = this.video;
    this.#button(this.soundButton, muted ? "muted" : "sound", muted ? "Sound on (M)" : "Sound off (M)");
    setAttr(this.soundButton, "aria-pressed", String(!muted));
    if (Number(this.volume.value) !== volume) this.volume.value = String(volume);
    this.bar.classList.toggle("is-muted", muted);
  }

  #button(button, name, label) {
    if (button.dataset.icon === name) return;
    button.dataset.icon = name;
    setAttr(button, "aria-label", label);
    setAttr(button, "title", label);
    add(clear(button), [icon(name)]);
  }

  async #full() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (this.box.requestFullscreen) await this.box.requestFullscreen();
    else this.video.webkitEnterFullscreen?.(); // Safari on telephones
  }

  #key(event) {
    if (event.target !== this.box || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { " ": () => this.actions.toggle(), m: () => this.#toggleSound(), f: () => this.#full() }[
      event.key.toLowerCase()
    ];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // Mean delay of the frames painted since the last call: from arrival, and from capture. Null: not known.
  delays() {
    const mean = (list) => (list.length ? list.reduce((sum, one) => sum + one, 0) / list.length : null);
    const found = { shown: mean(this.#delays.shown), glass: mean(this.#delays.glass) };
    this.#delays = { shown: [], glass: [] };
    return found;
  }

  // How long each painted frame was under way, where this browser tells.
  #watchFrames() {
    if (!this.video.requestVideoFrameCallback) return;
    const seen = (_now, metadata) => {
      for (const [name, moment] of [
        ["shown", metadata.receiveTime],
        ["glass", metadata.captureTime],
      ]) {
        const seconds = (metadata.expectedDisplayTime - moment) / 1000;
        const list = this.#delays[name];
        // Clocks that disagree say nothing; nobody asking for a while must not fill the memory.
        if (seconds >= 0 && seconds < 60 && list.length < DELAYS) list.push(seconds);
      }
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }
}
