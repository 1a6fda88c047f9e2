// Icons as SVG elements built here, drawn on a 16 by 16 grid with the colour of the text.
const NS = "http://www.w3.org/2000/svg";

// Each icon is a list of paths; a path that starts with "#" is filled, others are drawn as lines.
const ICONS = {
  created: [
    "M8 2.2a5.8 5.8 0 0 1 5 2.9M13.8 8a5.8 5.8 0 0 1-2.9 5M8 13.8a5.8 5.8 0 0 1-5-2.9M2.2 8a5.8 5.8 0 0 1 2.9-5",
  ],
  starting: ["M8 2.2A5.8 5.8 0 1 1 2.2 8"],
  streaming: ["#M4.5 3.2v9.6c0 .6.7 1 1.2.7l7.4-4.8c.5-.3.5-1.1 0-1.4L5.7 2.5c-.5-.3-1.2.1-1.2.7Z"],
  degraded: ["M8 2.3 14.3 13.2H1.7Z", "M8 6.4v3.2", "M8 11.4v.2"],
  draining: ["M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2", "M3 13.5h10"],
  ending: ["M4 2.5h8M4 13.5h8M5 2.5c0 3.2 6 3.8 6 11M11 2.5c0 3.2-6 3.8-6 11"],
  destroyed: ["M2.8 8.4 6.4 12l6.8-7.6"],
  incomplete: ["M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3Z", "M6 6l4 4M10 6l-4 4"],
  host: ["M2 3.5h12v4H2zM2 8.5h12v4H2z", "M4.5 5.5h.2M4.5 10.5h.2"],
  viewer: [
    "M1.5 8S4 3.6 8 3.6 14.5 8 14.5 8 12 12.4 8 12.4 1.5 8 1.5 8Z",
    "M8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6Z",
  ],
  worker: [
    "M4.5 4.5h7v7h-7z",
    "M6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14",
  ],
  receipt: ["M3.5 1.8v12.4l1.5-1 1.5 1 1.5-1 1.5 1 1.5-1 1.5 1V1.8l-1.5 1-1.5-1-1.5 1-1.5-1-1.5 1Z", "M6 6h4M6 9h4"],
  again: ["M13 4.5A5.8 5.8 0 1 0 13.8 8", "M13.5 1.8v3h-3"],
  copy: ["M5.5 5.5h8v8h-8z", "M3 10.5H2.5v-8h8V3"],
  check: ["M2.8 8.4 6.4 12l6.8-7.6"],
  close: ["M3.5 3.5l9 9M12.5 3.5l-9 9"],
  back: ["M9.8 3 4.8 8l5 5"],
  plus: ["M8 3v10M3 8h10"],
  play: ["#M4.5 3.2v9.6c0 .6.7 1 1.2.7l7.4-4.8c.5-.3.5-1.1 0-1.4L5.7 2.5c-.5-.3-1.2.1-1.2.7Z"],
  stop: ["#M4.5 3.5h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z"],
  sound: ["#M2 6v4h2.6L8 13V3L4.6 6Z", "M10.4 5.6a3.4 3.4 0 0 1 0 4.8M12.4 3.6a6.2 6.2 0 0 1 0 8.8"],
  muted: ["#M2 6v4h2.6L8 13V3L4.6 6Z", "M10.8 6.2l3.6 3.6M14.4 6.2l-3.6 3.6"],
  full: ["M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"],
  search: ["M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z", "M10.4 10.4 14 14"],
  theme: ["M8 2.2a5.8 5.8 0 1 0 0 11.6Z", "#M8 2.2a5.8 5.8 0 0 1 0 11.6Z"],
  sun: [
    "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6Z",
    "M8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1",
  ],
  moon: ["M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7Z"],
  test: ["M2 3h12v10H2z", "M5.5 3v10M8 3v10M10.5 3v10"],
  desktop: ["M1.8 2.8h12.4v8H1.8z", "M5.5 13.5h5M8 10.8v2.7"],
  rtsp: ["M1.8 4.5h8v7h-8z", "M9.8 7.2l4.4-2.4v6.4L9.8 8.8"],
  push: ["M1.8 3.5h7v9h-7z", "M14.2 8H6.5M9 5.2 6.2 8 9 10.8"],
  file: ["M3.5 1.8h6l3 3v9.4h-9z", "M9.5 1.8v3h3"],
};

export function icon(name, label = null) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon icon-${name}`);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  for (const data of ICONS[name] ?? ICONS.created) {
    const path = document.createElementNS(NS, "path");
    const filled = data.startsWith("#");
    path.setAttribute("d", filled ? data.slice(1) : data);
    path.setAttribute("class", filled ? "fill" : "line");
    svg.append(path);
  }
  return svg;
}
