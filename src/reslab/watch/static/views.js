// The views: each takes the server's data and the parameters of the address, and returns elements.

import { address, drawCharts, el, exhibit, figure, link, sentence, table, unbroken, worded } from "./exhibits.js";

export { drawCharts };

// --- Words -------------------------------------------------------------------------------------------------------

const SIGNS = { finished: "✓", running: "▶", failed: "✕", diverged: "⚡", interrupted: "‖", pending: "·", unreadable: "?" };

const points = (value, digits = 2) => (typeof value === "number" ? value.toFixed(digits) : "–");
const whole = (value) => (typeof value === "number" ? Math.round(value).toLocaleString("en") : "–");
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export const duration = (seconds) => {
  if (typeof seconds !== "number") return "–";
  const rounded = Math.round(seconds);
  const padded = (number) => String(number).padStart(2, "0");
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${padded(rounded % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60).toLocaleString("en")} h ${padded(minutes % 60)} min`;
};

const size = (bytes) => {
  if (typeof bytes !== "number") return "–";
  const megabytes = bytes / 1e6;
  return megabytes < 999.95 ? `${megabytes.toFixed(1)} MB` : `${(megabytes / 1000).toFixed(1)} GB`;
};

const ENDED = ["finished", "diverged"];

const state = (status) => el("span", { class: `state ${status}` }, el("span", { "aria-hidden": "true" }, SIGNS[status] || "?"), ` ${status}`);

const tally = (runs) => {
  const counts = {};
  runs.forEach(({ status }) => { counts[status] = (counts[status] || 0) + 1; });
  const parts = Object.keys(SIGNS).filter((status) => counts[status]).map((status) => `${counts[status]} ${status}`);
  return `${counted(runs.length, "run")}: ${parts.join(", ")}`;
};

const left = (seconds, trains = true) => (!seconds ? "" : trains ? `, about ${duration(seconds)} left` : `; nothing trains now; what is left takes about ${duration(seconds)}`);

const trains = (runs) => runs.some(({ status }) => status === "running");

const bar = (runs) => {
  const done = runs.reduce((sum, run) => sum + (ENDED.includes(run.status) ? 1 : run.epochs ? Math.min(1, run.epoch / run.epochs) : 0), 0);
  return el("progress", { max: runs.length || 1, value: done.toFixed(3), "aria-label": "Share that is trained" });
};

const empty = (text, command) => el("div", { class: "empty" }, el("p", {}, text), command && el("pre", {}, el("code", {}, command)));

// --- Controls that keep their state in the address ----------------------------------------------------------------

const choose = (label, name, values, parameters, go) =>
  el("label", {}, label, " ", el("select", { name, on: { change: (event) => go((now) => ({ ...now, [name]: event.target.value })) } },
    ["", ...values].map((value) => el("option", { value, selected: (parameters[name] || "") === value }, value || "any"))));

const search = (label, parameters, go) =>
  el("label", {}, label, " ", el("input", {
    type: "search", name: "q", value: parameters.q || "", autocomplete: "off",
    on: { input: (event) => go((now) => ({ ...now, q: event.target.value }), true) },
  }));

const matches = (text, q) => (q || "").toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));

// --- The plan ----------------------------------------------------------------------------------------------------

const seedCell = (seed, study) => {
  const begun = `${points(seed.test_error)} at ${seed.epoch}${seed.epochs ? ` of ${whole(seed.epochs)}` : ""}`;
  const told = {
    finished: points(seed.test_error),
    running: seed.epoch ? begun : "first epoch",
    interrupted: begun,
    failed: seed.epoch ? begun : null,
  }[seed.status];
  return el("td", { "data-key": seed.run, class: "seed" },
    link({ view: "run", id: seed.run }, [state(seed.status), told && el("span", { class: "figure" }, ` ${told}`)],
      { "aria-label": `seed ${seed.seed} of ${study}: ${seed.status}${told ? `, test error ${told}` : ""}`, title: seed.message || null }),
    seed.seconds_left ? el("span", { class: "left-over" }, ` ${duration(seed.seconds_left)} left`) : null);
};

const planStudy = (study, parameters) => {
  const runs = study.variants.flatMap((variant) => variant.seeds);
  const shown = study.variants.filter((variant) =>
    matches(`${study.name} ${variant.label}`, parameters.q)
    && (!parameters.status || variant.seeds.some((seed) => seed.status === parameters.status)));
  if (!shown.length) return null;
  const seeds = [...new Set(shown.flatMap((variant) => variant.seeds.map((seed) => seed.seed)))].sort((one, other) => one - other);
  const head = [el("th", { scope: "col", class: "left" }, "Variant"), seeds.map((seed) => el("th", { scope: "col", class: "left" }, `Seed ${seed}`))];
  const rows = shown.map((variant) => el("tr", { "data-key": variant.label },
    el("th", { scope: "row", class: "left long" }, unbroken(variant.label)),
    seeds.map((number) => {
      const seed = variant.seeds.find((one) => one.seed === number);
      return seed ? seedCell(seed, variant.label) : el("td", {}, "–");
    })));
  return el("section", { "data-key": study.name, class: "study" },
    el("h2", {}, link({ view: "study", name: study.name }, study.title)),
    el("p", { class: "tally" }, bar(runs), ` ${tally(runs)}${left(study.seconds_left, trains(runs))}`),
    table(head, rows, { label: study.title }));
};

export const plan = (found, parameters, go) => {
  if (!found.studies.length && !found.problems.length) {
    return [el("h1", {}, "Plan"), empty(`There are no runs in ${found.folder} yet.  They appear here as soon as one starts; for example:`, "reslab run depth --dataset digits")];
  }
  const runs = Object.values(Object.fromEntries(found.studies.flatMap((study) => study.variants.flatMap((variant) => variant.seeds)).map((seed) => [seed.run, seed])));
  const studies = found.studies.map((study) => planStudy(study, parameters)).filter(Boolean);
  return [
    el("h1", {}, "Plan"),
    el("p", { class: "tally" }, `${tally(runs)}${left(found.seconds_left, trains(runs))}.  Cells: test error so far in percent, with the epoch of a run that trains.`),
    el("form", { class: "controls", role: "search", on: { submit: (event) => event.preventDefault() } },
      search("Find", parameters, go), choose("State", "status", Object.keys(SIGNS), parameters, go)),
    found.problems.length ? el("ul", { class: "note", "aria-label": "What cannot be read" }, found.problems.map((one) => el("li", {}, worded(sentence(one.message))))) : null,
    studies.length ? studies : empty("No variant matches."),
  ];
};

// --- A study -----------------------------------------------------------------------------------------------------

export const study = (found) => {
  const [curves, rest] = [found.blocks.slice(0, found.num_curves), found.blocks.slice(found.num_curves)];
  const open = found.runs.filter((run) => ![...ENDED, "pending"].includes(run.status));
  return [
    el("h1", {}, found.title),
    el("p", { class: "tally" }, bar(found.runs), ` ${tally(found.runs)}${left(found.seconds_left, trains(found.runs))}`),
    open.length ? el("ul", { class: "chips", "aria-label": "Runs that have begun and not ended" }, open.map((run) =>
      el("li", { "data-key": run.run }, link({ view: "run", id: run.run }, [state(run.status), " ", unbroken(`${run.label}, seed ${run.seed}`),
        run.epoch ? `: ${points(run.test_error)}% at epoch ${run.epoch}` : ""])))) : null,
    curves.length
      ? el("section", { "aria-label": "Curves", class: "curves" }, curves.map((block) => exhibit(block, found.datasets)))
      : empty("No run of this study has ended an epoch yet."),
    el("div", { class: "chapter" }, rest.map((block) => exhibit(block, found.datasets))),
  ];
};

// --- A run -------------------------------------------------------------------------------------------------------

const facts = (rows, label) => table([el("th", { scope: "col", class: "left" }, label), el("th", { scope: "col", class: "left" }, "Value")],
  rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
    el("tr", { "data-key": name }, el("th", { scope: "row", class: "left" }, name), el("td", { class: "left long" }, typeof value === "object" ? value : String(value)))),
  { label });

const failureOf = (failure) => el("section", { class: "failure", "aria-label": "Failure" },
  el("h2", {}, failure.kind === "diverged" ? "Diverged" : "Failed"),
  el("p", { class: "note" }, el("b", {}, `${failure.kind}: `), worded(failure.message), failure.epoch ? `  (epoch ${failure.epoch}, iteration ${failure.iteration})` : ""),
  failure.traceback ? el("pre", { tabindex: 0, "aria-label": "Traceback" }, el("code", {}, failure.traceback)) : null);

const linesOf = (lines) => {
  const head = ["Epoch", "Rate", "Training error (%)", "Test error (%)", "Images/s"].map((name) => el("th", { scope: "col", class: "right" }, name));
  const last = lines.epoch.map((_, at) => at).slice(-50).reverse();
  return el("details", { "data-key": "lines" }, el("summary", {}, "Figures of the last epochs"),
    table(head, last.map((at) => el("tr", { "data-key": `epoch ${lines.epoch[at]}` },
      el("th", { scope: "row", class: "right" }, String(lines.epoch[at])),
      [String(lines.rate[at] ?? "–"), points(lines.train_error[at]), points(lines.test_error[at]), whole(lines.images_per_second[at])].map((text) => el("td", { class: "right" }, text)))),
    { label: "Figures of the last epochs" }));
};

export const run = (found) => {
  const machine = (found.provenance?.attempts || []).at(-1) || {};
  return [
    el("h1", {}, unbroken(found.name)),
    el("p", { class: "tally" }, state(found.status), found.epoch ? ` epoch ${found.epoch}${found.epochs ? ` of ${whole(found.epochs)}` : ""}, test error ${points(found.test_error)}%, training error ${points(found.train_error)}%` : "", left(found.seconds_left)),
    el("p", { class: "tally" }, el("code", {}, found.run), (found.studies || []).map((one) => [" · ", link({ view: "study", name: one.name }, one.title)])),
    found.problem ? el("p", { class: "note" }, worded(sentence(found.problem))) : null,
    found.failure ? failureOf(found.failure) : null,
    found.figure ? figure(found.figure, found.figure.datasets) : (found.recipe ? empty("No epoch has ended yet.") : null),
    found.lines?.epoch.length ? linesOf(found.lines) : null,
    found.against ? el("section", { "data-key": "differs" },
      el("h2", {}, "What differs"),
      el("p", {}, "From ", link({ view: "run", id: found.against.run }, unbroken(found.against.name)), " (", link({ view: "compare", a: found.against.run, b: found.run }, "compare the two"), "):"),
      found.differs.length
        ? table(["Setting", "Here", "There"].map((name) => el("th", { scope: "col", class: "left" }, name)),
          found.differs.map((row) => el("tr", {}, el("th", { scope: "row", class: "left" }, row.field), el("td", { class: "left" }, String(row.here)), el("td", { class: "left" }, String(row.there)))), { label: "What differs" })
        : el("p", {}, "Nothing.")) : null,
    found.recipe ? el("section", { "data-key": "machine" }, el("h2", {}, "Machine"),
      facts([["Speed", found.speed ? `${whole(found.speed)} images/s` : null], ["Time", found.seconds ? duration(found.seconds) : null],
        ["Most memory", found.memory ? size(found.memory) : null], ["Device", machine.device_name ? `${machine.device}, ${machine.device_name}` : machine.device],
        ["Threads", machine.threads], ["Platform", machine.platform], ["torch", machine.torch], ["ResLab", machine.reslab], ["Commit", machine.commit],
        ["Attempts", (found.provenance?.attempts || []).length || null], ["Started", machine.started]], "Machine")) : null,
    found.diagnostics?.length ? el("section", { "data-key": "diagnostics" }, el("h2", {}, "Diagnostics"),
      table(["Diagnostic", "Found", "Took"].map((name) => el("th", { scope: "col", class: "left" }, name)),
        found.diagnostics.map((one) => el("tr", { "data-key": one.name }, el("th", { scope: "row", class: "left" }, one.name),
          el("td", { class: "left long" }, one.found), el("td", { class: "left" }, duration(one.seconds)))), { label: "Diagnostics" })) : null,
    found.recipe ? el("details", { "data-key": "recipe" }, el("summary", {}, "The recipe"), facts(Object.entries(found.recipe).map(([key, value]) => [key, String(value)]), "Setting")) : null,
  ];
};

// --- Compare -----------------------------------------------------------------------------------------------------

const compared = (side) => (side.is_run ? link({ view: "run", id: side.id }, unbroken(side.name)) : unbroken(`${side.name} (${side.seeds})`));

const MOST_CHOICES = 100;

// Everything that can be compared, as links: the first side, then the second.
const choices = ({ a }, names) => {
  const rest = Object.entries(names).filter(([id]) => id !== a).slice(0, MOST_CHOICES);
  if (!rest.length) return null;
  return [
    el("h2", {}, a ? `${names[a] || a}, and …` : "The first of the two"),
    el("ul", { class: "choices" }, rest.map(([id, name]) => el("li", { "data-key": id }, link({ view: "compare", a: a || id, b: a ? id : "" }, unbroken(name))))),
  ];
};

export const compare = (found, parameters, go, names) => {
  const list = el("datalist", { id: "runs" }, Object.entries(names).map(([id, name]) => el("option", { value: id }, name)));
  const field = (side, label) => el("label", {}, label, " ", el("input", { name: side, list: "runs", value: parameters[side] || "", autocomplete: "off", spellcheck: "false" }));
  const submit = (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    go(() => ({ view: "compare", a: data.get("a").trim(), b: data.get("b").trim() }));
  };
  const form = el("form", { class: "controls wide", on: { submit } }, field("a", "First"), field("b", "Second"), el("button", { type: "submit" }, "Compare"), list);
  const top = [el("h1", {}, "Compare"), form];
  if (!found) return [...top, empty("Choose two runs, or two recipes (an id without its seed) to compare over all their seeds."), choices(parameters, names)];
  const head = ["", "Seeds", "Test error (%)", "Training error (%)"].map((name, at) => el("th", { scope: "col", class: at ? "right" : "left" }, name));
  return [
    ...top,
    el("p", {}, compared(found.first), " and ", compared(found.second), "."),
    found.problem ? el("p", { class: "note" }, worded(sentence(found.problem))) : null,
    found.verdict ? el("p", { class: "verdict" }, el("b", {}, `${found.verdict[0].toUpperCase()}${found.verdict.slice(1)}`), `: ${found.words}`) : null,
    found.rows ? table(head, found.rows.map((row) => el("tr", {}, row.map((cell, at) => el(at ? "td" : "th", { class: at ? "right" : "left long", scope: at ? null : "row" }, cell ?? "–")))), { label: "Errors of the last epoch" }) : null,
    (found.remarks || []).map((remark) => el("p", {}, worded(remark))),
    found.figure ? figure(found.figure, found.figure.datasets) : null,
    found.differs.length
      ? [el("h2", {}, "What differs"), table(["Setting", "First", "Second"].map((name) => el("th", { scope: "col", class: "left" }, name)),
        found.differs.map((row) => el("tr", {}, el("th", { scope: "row", class: "left" }, row.field), el("td", { class: "left" }, String(row.here)), el("td", { class: "left" }, String(row.there)))), { label: "What differs" })]
      : el("p", {}, "The recipes and seeds are the same."),
  ];
};

// --- The scoreboard ----------------------------------------------------------------------------------------------

const COLUMNS = [
  ["name", "Run", "left"], ["test_error", "Test error (%)", "right"], ["dataset", "Images", "left"], ["depth", "Depth", "right"],
  ["train_error", "Training error (%)", "right"], ["epochs", "Epochs", "right"], ["seconds", "Time", "right"], ["images_per_second", "Images/s", "right"],
];

const ordered = (rows, sort, down) => {
  const sign = down ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [here, there] = [one[sort], other[sort]];
    if (here === there) return one.run < other.run ? -1 : 1;
    if (here === null || here === undefined) return 1;
    if (there === null || there === undefined) return -1;
    return (here < there ? -1 : 1) * sign;
  });
};

const sorting = (parameters) => ({
  sort: COLUMNS.some(([name]) => name === parameters.sort) ? parameters.sort : "test_error",
  down: parameters.order === "down",
});

const sortedBy = (name) => (now) => {
  const { sort, down } = sorting(now);
  return { ...now, sort: name, order: name === sort && !down ? "down" : "" };
};

export const scores = (found, parameters, go) => {
  if (!found.rows.length) return [el("h1", {}, "Scoreboard"), empty("No run has ended yet.")];
  const { sort, down } = sorting(parameters);
  const shown = ordered(found.rows.filter((row) => matches(`${row.name} ${row.run} ${row.dataset} ${row.studies.join(" ")}`, parameters.q)
    && (!parameters.dataset || row.dataset === parameters.dataset)), sort, down);
  const head = COLUMNS.map(([name, title, side]) => el("th", { scope: "col", class: side, "aria-sort": name === sort ? (down ? "descending" : "ascending") : null },
    el("button", { type: "button", class: "sort", on: { click: () => go(sortedBy(name)) } },
      title, name === sort ? el("span", { "aria-hidden": "true" }, down ? " ▼" : " ▲") : "")));
  const cells = { test_error: points, train_error: points, seconds: duration, images_per_second: whole, epochs: whole };
  const rows = shown.map((row) => el("tr", { "data-key": row.run }, COLUMNS.map(([name, , side], at) => at
    ? el("td", { class: side }, name === "test_error" && row.status !== "finished" ? state(row.status) : (cells[name] || String)(row[name]))
    : el("th", { scope: "row", class: "left long" }, link({ view: "run", id: row.run }, unbroken(row.name))))));
  const datasets = [...new Set(found.rows.map((row) => row.dataset))].sort();
  return [
    el("h1", {}, "Scoreboard"),
    el("form", { class: "controls", role: "search", on: { submit: (event) => event.preventDefault() } },
      search("Find", parameters, go), choose("Images", "dataset", datasets, parameters, go),
      el("span", { role: "status" }, `${shown.length} of ${counted(found.rows.length, "run")}`)),
    shown.length ? table(head, rows, { label: "Runs that have ended" }) : empty("No run matches."),
  ];
};

export { address };
