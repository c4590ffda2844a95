// The page: which view the address asks for, what the server tells of it, and whether it still does.

import { address, compare, drawCharts, plan, run, scores, study } from "./views.js";
import { el, link, morph } from "./exhibits.js";

const POLL_SECONDS = 5;
const SILENT_SECONDS = 25; // a stream without a sign of life for so long is held back by a proxy, or dead
const STALE_SECONDS = 40;

const view = document.getElementById("view");
const contact = document.getElementById("contact");
const updated = document.getElementById("updated");
const told = document.getElementById("told");

let shown = { address: null, tag: null };
let stream = null;
let server = null;
let heard = 0; // when the stream last gave a sign of life
let answered = 0; // when the server last answered
let failed = "";
let asking = null;
let latest = ""; // the last news that the stream told of
let known = {};

const parameters = () => Object.fromEntries(new URLSearchParams(location.search));

const seedPath = (id) => id.split("/").map(encodeURIComponent).join("/");

const source = (wanted) => {
  const query = (values) => new URLSearchParams(values).toString();
  switch (wanted.view) {
    case "study": return `api/study/${encodeURIComponent(wanted.name || "")}`;
    case "run": return `api/run/${seedPath(wanted.id || "-/-")}${wanted.against ? `?${query({ against: wanted.against })}` : ""}`;
    case "compare": return wanted.a && wanted.b ? `api/compare?${query({ a: wanted.a, b: wanted.b })}` : null;
    case "scores": return "api/scores";
    default: return "api/plan";
  }
};

const VIEWS = { plan, study, run, compare, scores };

// --- Where we are ------------------------------------------------------------------------------------------------

const go = (wanted, typing = false) => {
  const next = address(wanted);
  if (next === location.search) return;
  const same = source(wanted) === source(parameters());
  history[typing || same ? "replaceState" : "pushState"](null, "", next || "?");
  if (same && data) { shown.address = location.search; show(); } else visit(same);
};

const visit = (same = false) => {
  if (!same) scrollTo(0, 0);
  load().then(() => { if (!same) view.focus({ preventScroll: true }); });
};

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href^='?']");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", anchor.getAttribute("href"));
  visit();
});
addEventListener("popstate", () => load());

// --- What is shown -----------------------------------------------------------------------------------------------

let data = null;

const show = () => {
  const wanted = parameters();
  const name = VIEWS[wanted.view] ? wanted.view : "plan";
  const next = el("main", { id: "view", tabindex: -1 }, VIEWS[name](data, wanted, go, known));
  const same = view.dataset.shown === name + (wanted.id || wanted.name || "");
  view.dataset.shown = name + (wanted.id || wanted.name || "");
  next.dataset.shown = view.dataset.shown;
  if (same) morph(view, next); else { view.replaceChildren(...next.childNodes); view.setAttribute("aria-busy", "false"); }
  view.removeAttribute("aria-busy");
  document.querySelectorAll("nav.bar a").forEach((one) => {
    if (one.dataset.view === name) one.setAttribute("aria-current", "page"); else one.removeAttribute("aria-current");
  });
  document.title = `${view.querySelector("h1")?.textContent || "ResLab"} · ResLab`;
  drawCharts(view);
};

// Words for people who do not see the page change.
const news = (name, next) => {
  const runs = name === "plan" ? next.studies.flatMap((one) => one.variants.flatMap((two) => two.seeds)) : name === "study" ? next.runs : [];
  const changed = runs.filter((one) => known[`state ${one.run}`] && known[`state ${one.run}`] !== one.status);
  runs.forEach((one) => { known[`state ${one.run}`] = one.status; });
  if (changed.length) told.textContent = changed.slice(0, 3).map((one) => `${one.label || one.run}, seed ${one.seed}: ${one.status}`).join("; ");
};

const names = {};

const load = async () => {
  const wanted = parameters();
  const from = source(wanted);
  asking?.abort();
  const mine = asking = new AbortController();
  if (shown.address !== location.search.split("&q=")[0] && shown.from !== from) {
    view.setAttribute("aria-busy", "true");
    if (shown.from) view.replaceChildren(el("p", { class: "loading" }, "Reading …"));
    delete view.dataset.shown;
  }
  try {
    if (wanted.view === "compare" && !Object.keys(names).length) await nameRuns(mine.signal);
    if (from === null) { data = null; shown = { address: location.search, from, tag: null }; answered = Date.now(); known = { ...known }; return draw(names); }
    const response = await fetch(from, { signal: mine.signal, headers: { accept: "application/json" } });
    answered = Date.now();
    const tag = response.headers.get("etag");
    if (response.ok && shown.from === from && shown.tag === tag && view.dataset.shown) { failed = ""; return; }
    const found = await response.json();
    if (mine !== asking) return;
    if (!response.ok) throw new Error(found.error || `the server answered ${response.status}`);
    failed = "";
    data = found;
    shown = { address: location.search, from, tag };
    news(wanted.view || "plan", found);
    draw(names);
    updated.textContent = `updated ${new Date().toLocaleTimeString("en-GB")}`;
    updated.dateTime = new Date().toISOString();
  } catch (error) {
    if (error.name === "AbortError") return;
    failed = error instanceof TypeError ? "the server cannot be reached" : error.message;
    if (!(error instanceof TypeError) || !view.dataset.shown) {
      shown = { address: null, from: null, tag: null };
      delete view.dataset.shown;
      view.removeAttribute("aria-busy");
      view.replaceChildren(el("div", { class: "broken", role: "alert" }, el("h1", {}, "This cannot be shown"), el("p", {}, `${failed}.`), el("p", {}, link({ view: "plan" }, "To the plan"))));
    }
  } finally {
    tell();
  }
};

const draw = (runNames) => {
  const before = known;
  known = runNames;
  try { show(); } finally { known = before; }
};

const nameRuns = async (signal) => {
  const response = await fetch("api/scores", { signal });
  if (!response.ok) return;
  (await response.json()).rows.forEach((row) => {
    names[row.run] = row.name;
    names[row.run.split("/")[0]] = row.name.replace(/, seed \d+$/, "");
  });
};

// --- Whether it still comes --------------------------------------------------------------------------------------

const tell = () => {
  const seconds = (Date.now() - answered) / 1000;
  const [state, words] = document.hidden ? ["paused", "Paused"]
    : failed && (!answered || seconds > STALE_SECONDS) ? ["broken", `Stale: ${failed}.  What is shown is old`]
      : failed === "the server cannot be reached" ? ["stale", "The server does not answer; trying again"]
        : failed ? ["broken", "Not shown"]
        : !answered ? ["loading", "Loading"]
          : seconds > STALE_SECONDS ? ["stale", "Stale: nothing was heard for a while"]
            : Date.now() - heard > SILENT_SECONDS * 1000 ? ["polling", `Live, by asking every ${POLL_SECONDS} s`] : ["live", "Live"];
  contact.parentElement.dataset.state = state;
  if (contact.textContent !== words) contact.textContent = words;
};

const listen = () => {
  stream?.close();
  if (document.hidden) { stream = null; return; }
  stream = new EventSource("events");
  stream.onerror = () => { if (Date.now() - answered > 1000) load(); }; // is it the stream, or the server?
  stream.onmessage = (event) => {
    heard = answered = Date.now();
    const found = JSON.parse(event.data);
    if (server && server !== found.server) renew();
    server = found.server;
    const newest = `${found.server} ${found.news}`;
    if (failed || newest !== latest) load();
    latest = newest;
    tell();
  };
};

// A server that was started anew has another token for writing the report.
const renew = async () => {
  const text = await (await fetch(location.pathname)).text();
  const meta = new DOMParser().parseFromString(text, "text/html").querySelector("meta[name=reslab-write]");
  if (meta) document.querySelector("meta[name=reslab-write]").content = meta.content;
};

document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) load(); tell(); });
setInterval(() => {
  if (!document.hidden) {
    if (Date.now() - heard > SILENT_SECONDS * 1000 || failed) load();
    if (stream?.readyState === EventSource.CLOSED) listen();
  }
  tell();
}, POLL_SECONDS * 1000);

// --- The report --------------------------------------------------------------------------------------------------

const written = document.getElementById("written");
document.getElementById("write").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  written.textContent = "Writing …";
  try {
    const token = document.querySelector("meta[name=reslab-write]").content;
    const response = await fetch("report", { method: "POST", headers: { "x-reslab-write": token } });
    const found = await response.json();
    if (found.error) written.textContent = `Not written: ${found.error}`;
    else written.replaceChildren("Written to ", el("code", {}, found.folder), ": ", el("a", { href: found.address, target: "_blank", rel: "noopener" }, "open it"));
  } catch {
    written.textContent = "Not written: the server does not answer";
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

listen();
load();
