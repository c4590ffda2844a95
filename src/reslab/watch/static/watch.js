// The page: which view the address requests, its data from the server, and whether the connection is live.

import { address, compare, drawCharts, plan, run, scores, study } from "./views.js";
import { el, link, morph, sentence } from "./exhibits.js";

const POLL_SECONDS = 5;
const SILENT_SECONDS = 25; // a stream silent for this long is buffered by a proxy, or dead
const STALE_SECONDS = 40;
const AWAY = "the server cannot be reached";

const view = document.getElementById("view");
const contact = document.getElementById("contact");
const updated = document.getElementById("updated");
const told = document.getElementById("told");

const NOTHING = { from: undefined, tag: null, version: -1 };
let shown = NOTHING; // the source of the view's data, and the version of the laboratory it was made at
let drawn = null; // the address that the view was drawn for
let data = null;
let stream = null;
let server = null;
let heard = 0; // when the stream last sent something
let answered = 0; // when the server last answered
let failed = "";
let asking = null; // the pending request
const states = {}; // of runs, by id, as last received
const names = {}; // of runs and recipes, by id

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

// `change` makes the wanted parameters from the current ones, not from those when its control was drawn.
const go = (change, typing = false) => {
  const wanted = change(parameters());
  const next = address(wanted);
  if (next === location.search) return;
  const same = source(wanted) === source(parameters());
  history[typing || same ? "replaceState" : "pushState"](null, "", next || "?");
  if (same && data) show(); else visit(same);
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

const show = () => {
  const wanted = parameters();
  const name = VIEWS[wanted.view] ? wanted.view : "plan";
  const next = el("main", { id: "view", tabindex: -1 }, VIEWS[name](data, wanted, go, names));
  next.dataset.shown = name + (wanted.id || wanted.name || "");
  if (view.dataset.shown === next.dataset.shown) morph(view, next); else view.replaceChildren(...next.childNodes);
  view.dataset.shown = next.dataset.shown;
  drawn = location.search;
  view.removeAttribute("aria-busy");
  document.querySelectorAll("nav.bar a").forEach((one) => {
    const is = one.dataset.view === name ? "page" : one.dataset.view === (["study", "run"].includes(name) && "plan") ? "true" : "";
    if (is) one.setAttribute("aria-current", is); else one.removeAttribute("aria-current");
  });
  document.title = `${view.querySelector("h1")?.textContent || "ResLab"} · ResLab`;
  drawCharts(view);
};

// Announcements for people who do not see the page change.
const news = (name, next) => {
  const runs = name === "plan"
    ? next.studies.flatMap((study) => study.variants.flatMap(({ label, seeds }) => seeds.map((seed) => ({ label, ...seed }))))
    : name === "study" ? next.runs : [];
  const changed = runs.filter((one) => states[one.run] && states[one.run] !== one.status);
  runs.forEach((one) => { states[one.run] = one.status; });
  if (changed.length) told.textContent = changed.slice(0, 3).map((one) => `${one.label}, seed ${one.seed}: ${one.status}`).join("; ");
};

const load = async () => {
  const wanted = parameters();
  const from = source(wanted);
  asking?.abort();
  const mine = asking = new AbortController();
  if (shown.from !== from) {
    view.setAttribute("aria-busy", "true");
    if (shown !== NOTHING) view.replaceChildren(el("p", { class: "loading" }, "Reading …"));
    delete view.dataset.shown;
  }
  try {
    if (wanted.view === "compare") await nameRuns(mine.signal);
    const response = from && await fetch(from, { signal: mine.signal, headers: { accept: "application/json" } });
    answered = Date.now();
    const tag = response && response.headers.get("etag");
    const version = response ? Number(response.headers.get("x-version")) : Infinity;
    const stays = shown.from === from && shown.tag === tag && view.dataset.shown;
    if (stays) {
      failed = "";
      shown.version = version;
      if (drawn !== location.search) show();
      return;
    }
    const found = response && await response.json();
    if (mine !== asking) return;
    if (response && !response.ok) throw new Error(found.error || `the server answered ${response.status}`);
    failed = "";
    data = found;
    shown = { from, tag, version };
    if (found) news(wanted.view || "plan", found);
    show();
    updated.textContent = ` · updated ${new Date().toLocaleTimeString("en-GB")}`;
    updated.dateTime = new Date().toISOString();
  } catch (error) {
    if (error.name === "AbortError") return;
    const away = error instanceof TypeError; // how fetch reports that the server cannot be reached
    failed = away ? AWAY : error.message;
    if (!away || !view.dataset.shown) {
      shown = NOTHING;
      delete view.dataset.shown;
      view.removeAttribute("aria-busy");
      view.replaceChildren(el("div", { class: "broken", role: "alert" }, el("h1", {}, "This cannot be shown"), el("p", {}, sentence(failed)), el("p", {}, link({ view: "plan" }, "To the plan"))));
    }
  } finally {
    if (mine === asking) asking = null;
    tell();
  }
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
      : failed === AWAY ? ["stale", "The server does not answer; trying again"]
        : failed ? ["broken", "Not shown"]
        : !answered ? ["loading", "Loading"]
          : seconds > STALE_SECONDS ? ["stale", "Stale: nothing was heard for a while"]
            : Date.now() - heard > SILENT_SECONDS * 1000 ? ["polling", `Live, by asking every ${POLL_SECONDS} s`] : ["live", "Live"];
  contact.parentElement.dataset.state = state;
  if (contact.textContent !== words) contact.textContent = words;
};

const onNews = (text) => {
  heard = answered = Date.now();
  const found = JSON.parse(text);
  const anew = server && server !== found.server;
  if (anew) renew();
  server = found.server;
  if (failed || anew || (!asking && shown.version < found.version)) load(); // else the pending request brings it, or the next event
  tell();
};

const onSilence = () => { if (Date.now() - answered > 1000) load(); }; // is it the stream, or the server?

// A shared worker has one stream for all pages; without support for these (on some phones), a page has its own.
const worker = window.SharedWorker ? new SharedWorker("static/stream.js") : null;
if (worker) worker.port.onmessage = ({ data }) => (data.failed ? onSilence() : onNews(data.data));
addEventListener("pagehide", () => worker?.port.postMessage("leave"));
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

const listen = () => {
  stream?.close();
  if (worker) { worker.port.postMessage(document.hidden ? "leave" : "listen"); return; }
  if (document.hidden) { stream = null; return; }
  stream = new EventSource("events");
  stream.onerror = onSilence;
  stream.onmessage = (event) => onNews(event.data);
};

// A restarted server has a new token for writing the report.
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
