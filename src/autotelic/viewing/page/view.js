// The page: which view is shown, the list of runs with their curves, and one run. It asks for what has changed every other second.

import { bars, lines } from "./charts.js";
import { ago, ask, el, later, number, put, state, visible } from "./parts.js";
import { closeRollout, drawRollouts, openRollout, stepRollout } from "./rollouts.js";

const EVERY = 2000, COLORS = 8;
const FIRST = ["probe/accuracy", "reward", "label/agreement", "probe/entropy"];
const main = document.getElementById("main"), live = document.getElementById("live"), trouble = document.getElementById("trouble");
const now = { runs: [], shown: "", follows: true };

function complain(error) {
  trouble.hidden = !error;
  trouble.textContent = error ? visible(error.message || error) : "";
}

const view = () => state.get("view") || "runs";
const readable = () => now.runs.filter((run) => !run.error);
export const chosenRun = () => state.get("run") || readable()[0]?.id;

// Colors belong to places in the list of chosen runs; a run that is dropped leaves its place to the next that is chosen.
function chosen() {
  const named = state.list("sel");
  if (named.length) return named;
  return readable().slice(0, COLORS).map((run) => run.id);
}
const colors = new Map();
function colorOf(id) {
  const wanted = chosen();
  for (const old of [...colors.keys()]) if (!wanted.includes(old)) colors.delete(old);
  for (const one of wanted) {
    if (colors.has(one)) continue;
    const free = Array.from({ length: COLORS }, (_, i) => i + 1).find((place) => ![...colors.values()].includes(place));
    if (free) colors.set(one, free);
  }
  return colors.has(id) ? `c${colors.get(id)}` : "";
}

function choose(id, on) {
  const wanted = chosen().filter((one) => one !== id);
  state.set({ sel: on ? [...wanted, id] : wanted.length ? wanted : ["-"] });
  draw(true);
}

// The list of runs.

const label = (name, value, kind = "") => el("td", { class: kind, "data-label": name }, value);

function verdictOf(run) {
  if (!run.word) return "";
  return [el("span", { class: `word ${run.word}` }, run.word), run.final ? null : el("span", { class: "sofar" }, " so far")];
}

function line(run) {
  const id = visible(run.id);
  if (run.error) return el("tr", { class: "error" }, el("td"), el("td", { class: "name" }, id), el("td", { class: "whole", colspan: 7 }, visible(run.error)));
  const box = el("input", { type: "checkbox", "data-key": `sel ${run.id}`, "aria-label": `Show the curves of ${id}`, onchange: (event) => choose(run.id, event.target.checked) });
  box.checked = chosen().includes(run.id);
  box.disabled = !box.checked && chosen().length >= COLORS;
  const of = run.rounds && run.rounds < 1e6 ? ` / ${run.rounds}` : "";
  return el(
    "tr",
    {},
    el("td", {}, box),
    el("td", { class: "name" }, el("span", { class: `swatch ${colorOf(run.id)}` }), el("a", { href: state.link({ view: "run", run: run.id }), "data-key": `run ${run.id}` }, id)),
    label("", visible(run.recipe)),
    label("", visible([run.model, run.tasks, run.seed === null ? null : `seed ${run.seed}`].filter((part) => part !== null && part !== undefined).join(" · "))),
    label("", el("span", { class: run.state, title: run.written ? `last round ${ago(run.written)}` : null }, run.state)),
    label("round", `${run.round ?? "–"}${of}`, "n"),
    label("probe", run.first === null ? "" : `${number(run.first)} → ${number(run.last)}`, "n"),
    label("", verdictOf(run)),
    label("tokens/s", run.speed === null ? "" : number(Math.round(run.speed)), "n"),
  );
}

async function drawRuns(fresh) {
  const wanted = chosen().filter((id) => readable().some((run) => run.id === id)).slice(0, COLORS);
  const stamp = JSON.stringify([now.runs, wanted, state.list("m"), innerWidth]);
  if (stamp === now.shown && !fresh) return;
  const metrics = state.list("m").length ? state.list("m") : FIRST;
  const [names, ...found] = await Promise.all([
    wanted.length ? ask("names", { run: wanted }) : { names: [] },
    ...metrics.map((metric) => (wanted.length ? ask("curves", { metric, run: wanted }) : { metric, curves: {} })),
  ]);
  if (view() !== "runs") return;
  now.shown = stamp;
  const known = new Map(names.names.map((one) => [one.name, one]));
  const table = el("table", { class: "runs" }, el("thead", {}, el("tr", {}, ["", "run", "recipe", "on", "state", "round", "probe", "verdict", "tokens/s"].map((name) => el("th", { class: ["round", "probe", "tokens/s"].includes(name) ? "n" : "" }, name)))), el("tbody", {}, now.runs.map(line)));
  const adding = el("select", { "data-key": "metric", onchange: (event) => setMetrics([...metrics, event.target.value]) }, el("option", { value: "" }, "choose …"), names.names.filter((one) => !metrics.includes(one.name)).map((one) => el("option", { value: one.name }, visible(one.name))));
  const width = Math.min(440, Math.max(300, main.clientWidth - 26));
  const charts = found.map((one) => {
    const about = known.get(one.metric);
    const series = wanted.filter((id) => one.curves[id]?.length).map((id) => ({ name: id, color: colorOf(id), points: one.curves[id] }));
    const remove = el("button", { type: "button", title: "Remove this chart", "aria-label": `Remove the chart of ${one.metric}`, "data-key": `remove ${one.metric}`, onclick: () => setMetrics(metrics.filter((name) => name !== one.metric)) }, "×");
    return lines(one.metric, series, { share: about?.unit === "share", hint: about ? `${about.unit}: ${about.meaning}` : "", width, remove });
  });
  put(
    main,
    el("section", { class: "card", "aria-label": "Runs" }, now.runs.length ? table : el("p", { class: "none" }, "No runs here yet. One that begins below this folder appears by itself.")),
    el("div", { class: "bar-of" }, el("label", {}, "add a chart", adding), el("p", { class: "hint" }, `Up to ${COLORS} runs have curves.`)),
    el("div", { class: "charts" }, charts),
  );
}

function setMetrics(metrics) {
  state.set({ m: metrics.filter(Boolean) });
  draw(true);
}

// One run.

export function picker() {
  const box = el("select", { "data-key": "picker", onchange: (event) => {
    state.set({ run: event.target.value, page: null, role: null, reward: null, first: null, last: null });
    draw(true);
  } }, readable().map((run) => el("option", { value: run.id }, visible(run.id))));
  box.value = chosenRun();
  return el("label", {}, "run", box);
}

function tile(name, value) {
  return el("div", { class: "tile" }, el("b", {}, value), el("span", {}, name));
}

function pairs(values) {
  return el("dl", {}, Object.entries(values).flatMap(([name, value]) => [el("dt", {}, visible(name)), el("dd", {}, visible(value))]));
}

function poolParts(run, pool, width) {
  const grown = pool.growth.filter((row) => Object.keys(row.added).length || Object.keys(row.evicted).length);
  const reasons = {};
  for (const row of pool.growth) for (const [kind, sign] of [["added", "came"], ["evicted", "went"]]) for (const [why, count] of Object.entries(row[kind])) reasons[`${sign}: ${why}`] = (reasons[`${sign}: ${why}`] || 0) + count;
  const parent = (name) => el("button", { type: "button", class: "plain", "data-key": `parent ${name}`, onclick: () => (/^r\d+\//.test(name) ? openRollout(run, { id: name }) : findTask(name)) }, visible(name));
  const rows = pool.tasks.map((task) => el("tr", {}, el("td", { class: "n" }, task.round), el("td", {}, el("code", {}, visible(task.id)), el("div", { class: "cut dim" }, visible(task.prompt))), el("td", {}, visible(task.why), task.evicted === undefined ? null : el("div", { class: "hint" }, `evicted in round ${task.evicted}: ${visible(task.because)}`)), el("td", {}, task.parents.map((name) => el("div", {}, parent(name))))));
  const search = el("input", { type: "search", "data-key": "pool", placeholder: "id, prompt or answer", value: state.get("pool") || "", oninput: later((event) => findTask(event.target.value)) });
  return [
    el("h2", {}, "The task pool"),
    el("div", { class: "charts" }, lines("tasks in the pool", [{ name: "size", color: "c1", points: pool.growth.map((row) => [row.round, row.size]) }], { width }), el("div", { class: "card" }, el("strong", {}, "By reason"), grown.length ? pairs(Object.fromEntries(Object.entries(reasons).map(([why, count]) => [why, number(count)]))) : el("p", { class: "none" }, "Nothing was added or evicted."))),
    grown.length || state.get("pool") ? el("details", { open: Boolean(state.get("pool")), "data-fold": "lineage" }, el("summary", {}, `Where its tasks came from (${number(pool.count)})`), el("div", { class: "bar-of" }, el("label", {}, "find", search)), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["round", "task", "why", "parents"].map((name) => el("th", {}, name)))), el("tbody", {}, rows)))) : null,
  ];
}

function findTask(text) {
  state.set({ pool: text }, true);
  draw(true);
}

async function drawRun(fresh) {
  const id = chosenRun(), summary = now.runs.find((run) => run.id === id);
  const stamp = JSON.stringify(["run", summary, state.get("pool"), innerWidth]);
  if (stamp === now.shown && !fresh) return;
  if (!id) return put(main, el("p", { class: "none" }, "No run can be read here."));
  const [run, pool, curves] = await Promise.all([ask("run", { run: id }), ask("pool", { run: id, text: state.get("pool") }), ask("curves", { run: id, metric: "probe/accuracy" })]);
  if (view() !== "run" || chosenRun() !== id) return;
  now.shown = stamp;
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.dataset.fold));
  const width = Math.min(440, Math.max(300, main.clientWidth - 26));
  const gate = run.gate.slice(0, -1);
  put(
    main,
    el("div", { class: "bar-of" }, picker(), el("a", { href: state.link({ view: "rollouts", run: id }) }, "its rollouts")),
    run.faults.length ? el("section", { class: "card bad" }, el("strong", {}, "Damage"), el("ul", { class: "reasons" }, run.faults.slice(0, 20).map((one) => el("li", {}, visible(one))), run.faults.length > 20 ? el("li", {}, `and ${run.faults.length - 20} more`) : null)) : null,
    run.alarms.length ? el("section", { class: "card warn" }, el("strong", {}, "Alarms"), el("ul", { class: "reasons" }, run.alarms.slice().reverse().map((one) => el("li", {}, visible(one.text))))) : null,
    el("section", { class: "card" }, el("h2", {}, el("span", { class: `word ${run.word || ""}` }, run.word || "no verdict yet"), run.word && !run.final ? el("span", { class: "sofar" }, " so far") : null), el("p", {}, run.headline, run.word && !run.final ? el("span", { class: "hint" }, " By the newest probe, were it the last: who looks often is misled sooner.") : null), el("ul", { class: "reasons" }, run.reasons.map((one) => el("li", {}, visible(one))))),
    el("div", { class: "tiles" }, tile("state", run.state), tile("rounds", `${run.round ?? "–"}${run.rounds && run.rounds < 1e6 ? ` / ${run.rounds}` : ""}`), tile("probe, first to last", run.first === null ? "–" : `${number(run.first)} → ${number(run.last)}`), tile("last round", run.written ? ago(run.written) : "–"), tile("tokens a second", number(run.speed === null ? null : Math.round(run.speed)))),
    el("div", { class: "charts" }, lines("probe/accuracy", [{ name: id, color: "c1", points: curves.curves[id] || [] }], { share: true, width }), bars("seconds by phase", ["sample", "learn", "probe", "own"], run.phases, { unit: " s", width }), lines("tokens sampled a second", [{ name: "tokens/s", color: "c2", points: run.speeds }], { width })),
    el("h2", {}, "The gate"),
    el("p", { class: "hint" }, run.gate[run.gate.length - 1].why),
    gate.length ? el("div", { class: "card scroll" }, el("table", {}, el("tbody", {}, gate.slice(-50).reverse().map((one) => el("tr", {}, el("td", {}, el("span", { class: `word ${one.what === "promoted" ? "good" : "bad"}` }, one.what)), el("td", {}, visible(one.why)), el("td", { class: "n" }, visible(one.time))))))) : null,
    poolParts(id, pool, width),
    el("details", { "data-fold": "facts", open: true }, el("summary", {}, "What was run"), el("div", { class: "card" }, pairs(run.facts), run.worker ? pairs({ "Works on it": `process ${run.worker.process} on ${run.worker.host}, since ${run.worker.started}` }) : null)),
    run.events.length ? el("details", { "data-fold": "events" }, el("summary", {}, `Events (${run.events.length})`), el("div", { class: "card" }, el("table", {}, el("tbody", {}, run.events.slice().reverse().map((one) => el("tr", {}, el("td", {}, visible(one.time)), el("td", {}, visible(one.event)), el("td", {}, visible(one.text)))))))) : null,
    el("details", { "data-fold": "settings" }, el("summary", {}, "Settings"), el("div", { class: "card" }, pairs(run.settings))),
    el("details", { "data-fold": "metrics" }, el("summary", {}, `Metrics (${run.names.length})`), el("div", { class: "card" }, el("table", {}, el("tbody", {}, run.names.map((one) => el("tr", {}, el("td", {}, el("a", { href: state.link({ view: "runs", m: one.name }) }, visible(one.name))), el("td", {}, one.unit), el("td", {}, one.meaning))))))),
  );
  for (const fold of main.querySelectorAll("details")) if (open.has(fold.dataset.fold)) fold.open = true;
}

// What is shown when.

let drawing = false, again = false;
async function draw(fresh = false) {
  if (drawing) {
    again = again || fresh;
    return;
  }
  drawing = true;
  const slow = setTimeout(() => {
    main.setAttribute("aria-busy", "true");
    if (!main.childElementCount) put(main, el("p", { class: "none", role: "status" }, "reading …"));
  }, 300);
  try {
    const shown = view();
    for (const link of document.querySelectorAll("nav a")) {
      link.href = state.link({ view: link.dataset.view });
      if (link.dataset.view === shown) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${shown === "runs" ? "Runs" : visible(chosenRun() || "")} – autotelic`;
    if (shown === "rollouts") await drawRollouts(main, { run: chosenRun(), picker, fresh, stamp: now.runs.find((run) => run.id === chosenRun())?.stamp });
    else await (shown === "run" ? drawRun : drawRuns)(fresh);
    complain(null);
  } catch (error) {
    complain(error);
  } finally {
    clearTimeout(slow);
    main.removeAttribute("aria-busy");
    drawing = false;
  }
  if (again) {
    again = false;
    await draw(true);
  }
}

let polling = false;
async function poll() {
  if (polling) return;
  polling = true;
  try {
    const found = await ask("runs");
    now.runs = found.runs;
    document.getElementById("root").textContent = visible(found.root);
    await draw();
  } catch (error) {
    complain(error instanceof TypeError ? "The server does not answer; it may have been ended." : error);
  } finally {
    polling = false;
  }
}

function follow(on) {
  now.follows = on;
  live.setAttribute("aria-pressed", on);
  live.textContent = on ? "live" : "paused";
  if (on) poll();
}

live.addEventListener("click", () => follow(!now.follows));
addEventListener("hashchange", () => draw(true));
addEventListener("popstate", () => draw(true));
addEventListener("resize", later(() => draw(true)));
addEventListener("redraw", () => draw(true));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const views = { 1: "runs", 2: "run", 3: "rollouts" };
  if (event.key in views) {
    closeRollout();
    location.hash = state.link({ view: views[event.key] });
  } else if (event.key === "/") {
    event.preventDefault();
    main.querySelector('input[type="search"]')?.focus();
  } else if (event.key === "p") follow(!now.follows);
  else if (event.key === "j") stepRollout(1);
  else if (event.key === "k") stepRollout(-1);
});

await poll();
setInterval(() => now.follows && !document.hidden && poll(), EVERY);
