// Building blocks of views: elements, text in pieces, the blocks of a chapter, charts.  Text is never set as HTML.

import "./fit.js";

export const el = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") Object.entries(value).forEach(([event, act]) => made.addEventListener(event, act));
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

export const address = (parameters) =>
  `?${new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined && value !== null))}`;

export const link = (parameters, text, attributes = {}) => el("a", { href: address(parameters), ...attributes }, text);

const elsewhere = (target) => /^https?:\/\//.test(target);

const rich = (pieces) =>
  pieces.map(({ kind, text, target }) => {
    if (kind === "code") return el("code", {}, text);
    if (kind === "reference") return el("a", { class: "reference", href: `#${target}` }, text);
    if (kind === "link" && elsewhere(target)) return el("a", { href: target, rel: "noreferrer", target: "_blank" }, text);
    return text;
  });

// A message as a sentence, with a capital unless it begins with the name of a file or a command.
export const sentence = (text) => (text || "").replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase()).replace(/([^.?!])$/, "$1.");

// Messages for people, without line breaks in `commands` and --flags.
export const worded = (text) => (text || "").split(/(`[^`]+`|(?<!\S)--[a-z][\w-]*)/).map((part, at) =>
  at % 2 ? (part.startsWith("`") ? el("code", {}, part.slice(1, -1)) : el("span", { class: "name" }, part)) : part);

// A name without line breaks in words like CIFAR-10, which browsers break at the hyphen.
export const unbroken = (name) => name.split(/([A-Za-z]+(?:-\d+)+)/).map((part, at) => (at % 2 ? el("span", { class: "name" }, part) : part));

// --- Charts ------------------------------------------------------------------------------------------------------

let library = null;

const loadLibrary = () => {
  library ??= new Promise((resolve, reject) => {
    const script = el("script", { src: "static/vega.js", on: { load: () => resolve(window.vegaEmbed), error: reject } });
    document.head.append(script);
  }).catch((error) => { library = null; throw error; });
  return library;
};

const unpacked = ({ names, rows }) => rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));

const dark = matchMedia("screen and (prefers-color-scheme: dark)");

const chartOf = (panel, datasets, label) => {
  const host = el("div", { class: "chart", "data-chart": "", role: "img", "aria-label": label });
  host.chart = { spec: panel.chart, data: Object.fromEntries(panel.datasets.map((name) => [name, datasets[name]])) };
  host.wanted = JSON.stringify(host.chart);
  return host;
};

// What a reader has zoomed and selected, to be restored in the chart that replaces this one.
const kept = (view) => {
  const own = (name) => /^(zoomed|picked)/.test(name);
  const state = view.getState({ signals: own, data: (name) => own(name) && name.endsWith("_store") });
  return Object.values(state.data || {}).some((rows) => rows?.length) ? state : null;
};

const draw = async (host) => {
  if (host.drawing || host.drawn === host.wanted || !host.isConnected) return;
  host.drawing = true;
  try {
    const embed = await loadLibrary();
    const { wanted } = host;
    const spec = structuredClone(host.chart.spec);
    spec.datasets = Object.fromEntries(Object.entries(host.chart.data).map(([name, packed]) => [name, unpacked(packed)]));
    fitChart(spec, host.clientWidth);
    const state = host.view ? kept(host.view) : null;
    const live = host.appendChild(el("div", { class: "waiting", "aria-hidden": "true" })); // the host is labelled
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    const { view } = await embed(live, spec, options);
    if (state) try { await view.setState(state).runAsync(); } catch { /* the new chart has no such selection */ }
    [...host.children].filter((child) => child !== live).forEach((child) => child.remove());
    live.classList.remove("waiting");
    host.view?.finalize();
    host.view = view;
    host.drawn = wanted;
  } catch (error) {
    host.replaceChildren(el("p", { class: "note" }, `The chart cannot be drawn: ${error?.message || error}`));
    host.drawn = host.wanted;
  } finally {
    host.drawing = false;
  }
  if (host.drawn !== host.wanted) draw(host);
};

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => {
    entry.target.inView = entry.isIntersecting;
    if (entry.isIntersecting) draw(entry.target);
  }),
  { rootMargin: "600px" },
);

export const drawCharts = (root) => root.querySelectorAll("[data-chart]").forEach((host) => {
  if (!host.watched) { host.watched = true; seen.observe(host); } else if (host.inView) draw(host);
});

dark.addEventListener("change", () => document.querySelectorAll("[data-chart]").forEach((host) => {
  host.drawn = null;
  if (host.inView) draw(host);
}));

// --- Blocks ------------------------------------------------------------------------------------------------------

export const figure = (block, datasets) => {
  const several = block.panels.length > 1;
  const panels = block.panels.map((panel) =>
    el("div", { class: "panel" },
      several && el("p", { class: "panel-title" }, panel.title),
      chartOf(panel, datasets, `${block.title}${panel.title ? `, ${panel.title}` : ""}`)));
  return el("figure", { id: block.name, "data-key": block.name },
    el("div", { class: `panels${several ? " several" : ""}${block.columns > 2 ? " small" : ""}` }, panels),
    el("figcaption", {}, el("b", {}, `${block.number ? `${block.number}. ` : ""}${block.title}.`), " ", rich(block.caption)));
};

export const table = (head, rows, { label, attributes = {} } = {}) =>
  el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    el("table", attributes, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));

const tableBlock = (block) => {
  const aligned = (at) => block.columns[at].align;
  const head = block.columns.map((column) => el("th", { scope: "col", class: column.align }, column.title));
  const cell = (text, at) => {
    const long = aligned(at) === "left" && (text || "").length > (at ? 24 : 30) ? " long" : "";
    return el(at ? "td" : "th", { class: aligned(at) + long, scope: at ? null : "row" }, text ?? "–");
  };
  return el("div", { class: "table", id: block.name, "data-key": block.name },
    el("p", { class: "caption" }, el("b", {}, `${block.number}. ${block.title}.`), " ", rich(block.caption)),
    table(head, block.rows.map((row) => el("tr", {}, row.map(cell))), { label: block.number }),
    block.notes.map((note) => el("p", { class: "source" }, rich(note))));
};

const blocks = {
  heading: (block) => el(block.level === 3 ? "h3" : "h4", {}, block.text),
  prose: (block) => el("p", {}, rich(block.text)),
  note: (block) => el("p", { class: "note" }, rich(block.text)),
  command: (block) => el("pre", {}, el("code", {}, block.text)),
  bullets: (block) => el("ul", {}, block.items.map((item) => el("li", {}, rich(item)))),
  figure,
  table: tableBlock,
  sources: (block) => el("section", { "aria-label": "References" }, el("h3", {}, "References"),
    el("ol", { class: "references" }, block.sources.map((source) =>
      el("li", { id: source.name }, source.text, elsewhere(source.address)
        ? [", ", el("a", { href: source.address, rel: "noreferrer", target: "_blank" }, source.address)] : "")))),
};

export const exhibit = (block, datasets) => blocks[block.kind](block, datasets);

// --- Change in place ---------------------------------------------------------------------------------------------

const alike = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;

// Make `old` equal to `next`, keeping elements that stay, and with them focus, selection, scroll and open details.
export const morph = (old, next) => {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  const given = old.getAttribute("value");
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (next.chart) {
    old.chart = next.chart;
    old.wanted = next.wanted;
    return;
  }
  if (old.nodeName === "INPUT") { // keep what is being typed, unless the address says otherwise
    if (next.getAttribute("value") !== given) old.value = next.value;
    return;
  }
  if (old.nodeName === "SELECT") {
    if (old === document.activeElement && old.value === next.value) return;
    const { value } = next;
    old.replaceChildren(...next.childNodes);
    old.value = value;
    return;
  }
  const keyed = new Map([...old.children].map((child) => [child.dataset.key, child]).filter(([key]) => key));
  let place = old.firstChild; // everything before it is as in `next`
  for (const want of [...next.childNodes]) { // a copy, since inserting a node removes it from `next`
    const moved = keyed.get(want.dataset?.key);
    if (moved && moved !== place) place = old.insertBefore(moved, place);
    if (place && alike(place, want)) {
      morph(place, want);
      place = place.nextSibling;
    } else {
      old.insertBefore(want, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
};
