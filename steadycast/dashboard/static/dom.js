// Building and updating elements. Text goes in as text only, never as markup; styles only through classes.

// h("p.why", {title: "…", onclick: f}, "text", child, …). A null child is left out.
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  add(element, children);
  return element;
}

function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "value" || name === "muted" || name === "checked") element[name] = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

export function add(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

// The setters below touch the document only where something changed: a hundred rows cost nothing while they are calm.
export function setText(element, text) {
  const value = text ?? "";
  if (element.textContent !== value) element.textContent = value;
}

export function setAttr(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

// Makes the children of `parent` those of `items`, in order, keeping the element of a key. `make(item)` returns
// {element, update(item)}; update is called for every item, made or kept.
export function keyed(parent, rows, items, keyOf, make) {
  const wanted = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let row = rows.get(key);
    if (!row) {
      row = make(item);
      rows.set(key, row);
    }
    row.update(item);
    if (row.element === place) place = place.nextElementSibling;
    else parent.insertBefore(row.element, place);
  }
  for (const [key, row] of rows) {
    if (wanted.has(key)) continue;
    row.element.remove();
    rows.delete(key);
  }
}

let lastId = 0;

// An id for a label and what it describes.
export function newId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

export function clear(element) {
  element.replaceChildren();
  return element;
}
