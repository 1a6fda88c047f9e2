// Shows the OpenAPI description that the host serves. No library: the description is small and its shape is known.
const TOKEN_KEY = "steadycast.token"; // the same as the page's
const DEPTH = 5; // levels of a schema that are drawn; deeper ones are named only

const main = document.getElementById("main");
const nav = document.getElementById("nav");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Text with `code` in it.
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

async function description() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const response = await fetch("/openapi.json", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok) throw await response.json();
  return response.json();
}

function askForToken(problem) {
  const input = make("input", { type: "password", autocomplete: "off", "aria-label": "Token", placeholder: "Token" });
  const form = make("form", {}, input, make("button", {}, "Show"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN_KEY, input.value.trim());
    show();
  });
  const words = [problem.detail, problem.hint].filter(Boolean).join(" ");
  main.replaceChildren(make("div", { class: "problem", role: "alert" }, words, problem.status === 401 ? form : null));
  input.focus();
}

function resolve(api, schema) {
  return schema?.$ref ? { name: schema.$ref.split("/").pop(), ...api.components.schemas[schema.$ref.split("/").pop()] } : schema ?? {};
}

function kindOf(api, schema) {
  const found = resolve(api, schema);
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  const options = found.anyOf ?? found.oneOf;
  if (options) return options.map((option) => kindOf(api, option)).join(" | ");
  if (found.type === "array") return `list of ${kindOf(api, found.items)}`;
  return found.name ?? found.type ?? "anything";
}

function boundsOf(schema) {
  const inner = [schema, ...(schema.anyOf ?? [])];
  const find = (key) => inner.map((option) => option[key]).find((value) => value !== undefined);
  const words = [];
  if (find("minimum") !== undefined) words.push(`${find("minimum")} to ${find("maximum") ?? "any"}`);
  if (find("maxLength") !== undefined) words.push(`at most ${find("maxLength")} characters`);
  if (schema.default !== undefined && schema.default !== null) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.join(", ");
}

// The object schemas within a schema: what can be opened to see its fields.
function objectsIn(api, schema) {
  const found = resolve(api, schema);
  if (found.properties) return [found];
  return [...(found.anyOf ?? []), ...(found.oneOf ?? []), ...(found.items ? [found.items] : [])].flatMap((option) =>
    objectsIn(api, option),
  );
}

function fieldsOf(api, schema, depth = 0) {
  const box = make("div", { class: "schema" });
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const must = schema.required?.includes(name) ? make("span", { class: "must", title: "required" }, " *") : null;
    const bounds = [field.description, boundsOf(field)].filter(Boolean).join(" ");
    const kind = make("span", { class: "kind" }, ` ${kindOf(api, field)}${bounds ? ` (${bounds})` : ""}`);
    const line = [make("code", {}, name), must, kind];
    const objects = depth < DEPTH ? objectsIn(api, field) : [];
    if (!objects.length) {
      box.append(make("div", {}, ...line));
      continue;
    }
    const inner = objects.map((object) => make("div", {}, make("b", {}, object.name ?? ""), fieldsOf(api, object, depth + 1)));
    box.append(make("details", {}, make("summary", {}, ...line), ...inner));
  }
  return box;
}

function contentOf(api, content = {}) {
  return Object.entries(content).map(([type, { schema }]) =>
    make("div", {}, make("code", {}, type), make("span", { class: "kind" }, ` ${kindOf(api, schema)}`),
      ...objectsIn(api, schema).map((object) => fieldsOf(api, object))),
  );
}

function parametersOf(api, parameters) {
  const row = (p) => make("tr", {}, make("td", {}, make("code", {}, p.name)), make("td", {}, p.in),
    make("td", {}, kindOf(api, p.schema)), make("td", {}, [p.description, boundsOf(p.schema)].filter(Boolean).join(" ")));
  const head = make("tr", {}, ...["name", "in", "kind", ""].map((word) => make("th", {}, word)));
  return make("table", {}, head, ...parameters.map(row));
}

function curlOf(method, path, operation) {
  const type = Object.keys(operation.requestBody?.content ?? {})[0];
  const words = ["curl", method === "get" ? "" : `-X ${method.toUpperCase()}`];
  if (sessionStorage.getItem(TOKEN_KEY)) words.push('-H "Authorization: Bearer $TOKEN"');
  if (type) words.push(`-H "Content-Type: ${type}"`);
  if (type === "application/json") words.push(`-d '{"name": "Test", "source": {"kind": "test"}}'`);
  else if (type) words.push("--data-binary @offer.sdp");
  return [...words.filter(Boolean), `${location.origin}${path}`].join(" ");
}

function draw(api, method, path, operation) {
  const summary = make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()),
    make("span", { class: "path" }, path), make("span", { class: "text" }, ...prose(operation.description ?? operation.summary)));
  const inside = make("div", { class: "inside" });
  if (operation.parameters?.length) inside.append(make("h3", {}, "Parameters"), parametersOf(api, operation.parameters));
  if (operation.requestBody) inside.append(make("h3", {}, "Body"), ...contentOf(api, operation.requestBody.content));
  inside.append(make("h3", {}, "Answers"));
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    inside.append(make("div", {}, make("b", {}, status), " ", ...prose(answer.description), " ", ...contentOf(api, answer.content)));
  }
  inside.append(make("h3", {}, "Try"), make("pre", {}, curlOf(method, path, operation)));
  const box = make("details", { class: "operation" }, summary, inside);
  box.dataset.words = `${method} ${path} ${operation.description ?? ""}`.toLowerCase();
  return box;
}

function drawAll(api) {
  const raw = new Blob([JSON.stringify(api, null, 2)], { type: "application/json" });
  document.getElementById("raw").href = URL.createObjectURL(raw); // a plain link could not send the token
  document.getElementById("version").textContent = api.info.version;
  const nouns = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const noun = operation.tags?.[0] ?? "host";
      nouns.set(noun, [...(nouns.get(noun) ?? []), draw(api, method, path, operation)]);
    }
  }
  main.replaceChildren(make("p", {}, ...prose(api.info.description)));
  nav.replaceChildren();
  for (const [noun, operations] of nouns) {
    main.append(make("section", {}, make("h2", { id: noun }, noun), ...operations));
    nav.append(make("a", { href: `#${noun}` }, noun));
  }
}

const search = document.getElementById("search");

function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const box of main.querySelectorAll("details.operation")) box.hidden = !box.dataset.words.includes(wanted);
  for (const part of main.querySelectorAll("section")) part.hidden = !part.querySelector("details.operation:not([hidden])");
}

search.addEventListener("input", filter);

async function show() {
  try {
    drawAll(await description());
    filter(); // somebody may have typed while it was on its way
  } catch (problem) {
    askForToken(problem.detail ? problem : { detail: "The host cannot be reached.", hint: String(problem) });
  }
}

show();
