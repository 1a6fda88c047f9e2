// The form that makes a lobby. The host judges what is asked; its words appear at the field they are about.
import * as api from "./api.js";
import { clear, h, newId, setText, show } from "./dom.js";
import { checkField, choiceField, numberField, textField, words } from "./fields.js";
import { kindWord } from "./format.js";
import { icon } from "./icons.js";

const KINDS = [
  ["test", "A moving picture with a counter, a clock and a tone"],
  ["desktop", "A display of its own and a program on it"],
  ["rtsp", "A camera or server that speaks RTSP"],
  ["file", "A video file, played in a loop"],
  ["push", "What a program on the host's machine draws"],
];
const RENDITIONS = 8;

function pictureFields() {
  return [
    numberField("source.width", "Width", { value: "1280" }),
    numberField("source.height", "Height", { value: "720" }),
    numberField("source.fps", "Frames a second", { value: "30" }),
  ];
}

function desktopFields(system) {
  // Before the host has answered it is not known which programs there are: then the name is typed.
  const names = system?.applications ?? null;
  const anyCommand = system?.any_command ?? false;
  const fields = [];
  if (names?.length) {
    const options = [...names.map((name) => [name, name]), ...(anyCommand ? [["", "A command of your own"]] : [])];
    fields.push(
      choiceField("source.application", "Application", options, {
        wide: true,
        help: "The programs that the config of this host names.",
      }),
    );
  } else if (!anyCommand) {
    const help = names
      ? "The config of this host names no program yet: add one under [sources.applications]."
      : "The name of a program in the config of this host.";
    fields.push(textField("source.application", "Application", { help }));
  }
  if (anyCommand)
    fields.push(textField("source.command", "Command", { placeholder: "xeyes -geometry 400x300", read: words }));
  return [...fields, ...pictureFields(), checkField("source.cursor", "Show the mouse pointer", true)];
}

const SOURCE_FIELDS = {
  test: () => pictureFields(),
  desktop: (system) => desktopFields(system),
  rtsp: () => [
    textField("source.url", "Address", {
      placeholder: "rtsp://user:password@camera.local:554/stream",
      help: "User and password are used, and never shown again.",
    }),
    choiceField("source.transport", "Transport", [
      ["auto", "Automatic"],
      ["tcp", "TCP"],
      ["udp", "UDP"],
    ]),
    numberField("source.latency_ms", "Jitter buffer, ms", { value: "100" }),
  ],
  push: () => [
    ...pictureFields(),
    choiceField("source.format", "Pixels", ["RGB", "RGBA", "BGRx", "I420", "NV12"].map((format) => [format, format])),
    choiceField(
      "source.idle",
      "When no program pushes",
      [
        ["hold", "The last picture stays"],
        ["black", "Black"],
      ],
      { wide: true, help: "The lobby's page has the line that a Python program begins with." },
    ),
  ],
  file: (system) => {
    const folders = system?.file_folders ?? [];
    const help = folders.length
      ? `A file below ${folders.join(", ")}.`
      : "A file below one of the folders that the config of this host names.";
    return [
      textField("source.path", "File", { placeholder: "/srv/video/film.mp4", help }),
      checkField("source.loop", "Play in a loop", true),
    ];
  },
};

export class CreateForm {
  #kind = "test";
  #renditions = [];
  #store;
  #built = null; // what was known of the host when the fields were made

  // `done(lobby)` after the host made it.
  constructor(store, done) {
    this.#store = store;
    this.done = done;
    this.name = textField("name", "Name", { placeholder: "Front door" });
    this.key = textField("key", "Key", {
      placeholder: "front-door",
      help: "Optional. A name for addresses; making the same key again gives the same lobby.",
    });
    this.about = h("div.fields");
    this.list = h("div.rendition-forms");
    this.more = h(
      "button.button",
      { type: "button", onclick: () => this.#addRendition() },
      icon("plus"),
      "Add a rendition",
    );
    this.problem = h("div.form-problem", { role: "alert", hidden: true });
    this.submit = h("button.button.primary", { type: "submit" }, "Create lobby");
    this.form = h(
      "form.create",
      { onsubmit: (event) => this.#send(event), novalidate: true, "aria-label": "New lobby" },
      h("div.fields", {}, this.name.element, this.key.element),
      this.#kindChoice(),
      this.about,
      h(
        "details.more",
        {},
        h("summary", {}, "Renditions"),
        h(
          "p.field-help",
          {},
          "Without any, viewers get one in the size of the source. ",
          "A rendition is encoded once for all its viewers, and only while somebody watches.",
        ),
        this.list,
        this.more,
      ),
      this.problem,
      h("div.form-actions", {}, this.submit, h("a.button", { href: "#/" }, "Cancel")),
    );
    this.element = h(
      "div.page.narrow",
      {},
      h("a.back", { href: "#/" }, icon("back"), "Lobbies"),
      h("h1", { tabindex: "-1" }, "New lobby"),
      this.form,
    );
    this.#showKind("test");
  }

  focus() {
    this.name.control.focus();
  }

  // The host said what it has after the form was there already.
  draw() {
    if (this.#built !== null || this.#store.system === null) return;
    const typed = this.source.map((field) => [field.path, field.control.value]);
    this.#showKind(this.#kind);
    for (const [path, value] of typed) {
      const field = this.source.find((other) => other.path === path);
      if (field && field.control.tagName === "INPUT") field.control.value = value;
    }
  }

  #kindChoice() {
    const group = newId("kind");
    const choices = KINDS.map(([kind, text]) => {
      const radio = h("input", {
        type: "radio",
        name: group,
        value: kind,
        checked: kind === this.#kind,
        onchange: () => this.#showKind(kind),
      });
      return h("label.kind", {}, radio, icon(kind), h("span.strong", {}, kindWord(kind)), h("span.faint", {}, text));
    });
    return h("fieldset.kinds", {}, h("legend", {}, "Source"), choices);
  }

  #showKind(kind) {
    this.#kind = kind;
    this.#built = this.#store.system;
    this.source = SOURCE_FIELDS[kind](this.#store.system);
    clear(this.about).append(...this.source.map((field) => field.element));
  }

  #addRendition() {
    const at = this.#renditions.length;
    const rendition = {
      name: textField("name", "Name", { placeholder: at === 0 ? "main" : "small", wide: false }),
      codec: choiceField("codec", "Encoding", [
        ["h264", "H.264"],
        ["copy", "Copy, no encoder"],
      ]),
      width: numberField("width", "Width", { placeholder: "source" }),
      height: numberField("height", "Height", { placeholder: "source" }),
      fps: numberField("fps", "Frames/s", { placeholder: "source" }),
      bitrate_kbps: numberField("bitrate_kbps", "kbit/s", { placeholder: "auto" }),
    };
    const remove = h(
      "button.quiet.icon-only",
      {
        type: "button",
        "aria-label": "Remove this rendition",
        title: "Remove",
        onclick: () => this.#removeRendition(rendition, box),
      },
      icon("close"),
    );
    const box = h(
      "fieldset.rendition-form",
      {},
      h("legend.sr", {}, "Rendition"),
      Object.values(rendition).map((field) => field.element),
      remove,
    );
    this.#renditions.push(rendition);
    this.list.append(box);
    show(this.more, this.#renditions.length < RENDITIONS);
    rendition.name.control.focus();
  }

  #removeRendition(rendition, box) {
    this.#renditions = this.#renditions.filter((other) => other !== rendition);
    box.remove();
    show(this.more, true);
    this.more.focus();
  }

  #body() {
    const source = { kind: this.#kind };
    for (const field of this.source) source[field.path.replace("source.", "")] = field.value;
    if (source.command) delete source.application; // exactly one of the two
    const body = { name: this.name.value ?? "", key: this.key.value, source };
    const renditions = this.#renditions.map((fields) =>
      Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.value])),
    );
    return renditions.length ? { ...body, renditions } : body;
  }

  async #send(event) {
    event.preventDefault();
    if (this.submit.disabled) return;
    this.#clearProblems();
    this.submit.disabled = true;
    setText(this.submit, "Creating…");
    try {
      this.done(await api.createLobby(this.#body()));
    } catch (problem) {
      this.#show(problem);
    } finally {
      this.submit.disabled = false;
      setText(this.submit, "Create lobby");
    }
  }

  #fields() {
    const fields = new Map([this.name, this.key, ...this.source].map((field) => [field.path, field]));
    this.#renditions.forEach((rendition, at) => {
      for (const [key, field] of Object.entries(rendition)) fields.set(`renditions.${at}.${key}`, field);
      fields.set(`renditions.${at}`, rendition.name);
    });
    fields.set("source", this.source[0]);
    return fields;
  }

  #clearProblems() {
    for (const field of this.#fields().values()) field.say(null);
    show(this.problem, false);
  }

  #show(problem) {
    const fields = this.#fields();
    let first = null;
    for (const [path, text] of problem.fields) {
      const field = fields.get(path);
      if (!field) continue;
      field.say(text);
      first ??= field;
    }
    if (first) {
      first.control.focus();
      return;
    }
    clear(this.problem).append(
      h("p.strong", {}, problem.message),
      ...[problem.why, problem.hint].filter(Boolean).map((text) => h("p", {}, text)),
    );
    show(this.problem, true);
    this.problem.scrollIntoView({ block: "nearest" });
  }
}
