// Rollouts: the filters, the list, and one rollout with its tokens, its turns, its tree and its play.

import { ask, el, later, number, put, signed, state, visible } from "./parts.js";

const FILTERS = ["first", "last", "role", "reward", "least", "most", "right", "trained", "text", "task", "order", "page"];
const MOST_TOKENS = 4000;
const MORE = ["first", "last", "role", "trained", "reward", "least", "most"];
const ORDERS = ["newest", "oldest", "highest reward", "lowest reward", "highest advantage", "lowest advantage", "longest"];
const dialog = document.getElementById("rollout");
const now = { shown: "", rows: [], run: null, open: null };

const filters = () => Object.fromEntries(FILTERS.map((name) => [name, state.get(name)]).filter(([, value]) => value !== null));

function set(changes) {
  state.set({ page: null, ...changes }, true);
  dispatchEvent(new Event("redraw"));
}

function field(name, title, attributes = {}) {
  const box = el("input", { "data-key": `f ${name}`, value: state.get(name) ?? "", ...attributes, oninput: later((event) => set({ [name]: event.target.value })) });
  return el("label", { class: attributes.type === "search" ? "wide" : "" }, title, box);
}

function choice(name, title, options, first = "any") {
  const box = el("select", { "data-key": `f ${name}`, onchange: (event) => set({ [name]: event.target.value }) }, first === null ? null : el("option", { value: "" }, first), options.map(([value, text]) => el("option", { value }, visible(text ?? value))));
  box.value = state.get(name) ?? (first === null ? options[0][0] : "");
  return el("label", {}, title, box);
}

function rightness(right) {
  return right === true ? el("span", { class: "good" }, "✓ right") : right === false ? el("span", { class: "bad" }, "✗ wrong") : null;
}

function meta(row) {
  return el("span", { class: "meta" }, el("span", {}, `round ${row.round}`), row.role ? el("span", {}, visible(row.role)) : null, rightness(row.right), row.reward === null ? null : el("span", {}, `reward ${number(row.reward)}`), row.credit === null ? null : el("span", {}, `advantage ${signed(row.credit)}`), el("span", {}, `${row.tokens ?? "?"} tokens`), row.stop === "length" ? el("span", { class: "warn" }, "cut off") : null, row.trained ? null : el("span", {}, "not trained on"), row.parent ? el("span", {}, "forked") : null);
}

const tail = (text) => visible(String(text ?? "").replace(/\s+/g, " "));

function item(row) {
  return el("li", {}, el("button", { type: "button", "data-key": `row ${row.round} ${row.id}`, onclick: () => openRollout(now.run, row) }, meta(row), el("span", { class: "cut dim" }, tail(row.prompt)), el("span", { class: "cut" }, tail(row.text) || "(empty)")));
}

export async function drawRollouts(place, { run, picker, fresh, stamp }) {
  if (!run) return put(place, el("p", { class: "none" }, "No run can be read here."));
  const wanted = filters(), key = JSON.stringify([run, wanted, stamp]);
  if (key === now.shown && place.querySelector(".list, .empty")) return;
  if (!fresh && dialog.open) return;
  const found = await ask("rollouts", { run, ...wanted });
  if (state.get("view") !== "rollouts") return;
  Object.assign(now, { shown: key, rows: found.rows, run });
  const { facets } = found, page = found.page, pages = Math.ceil(found.count / found.size);
  const open = place.querySelector(".more")?.open, more = open ?? (innerWidth > 640 || MORE.some((name) => name in wanted));
  const turn = (text, to, off) => el("button", { type: "button", "data-key": `page ${text}`, disabled: off, onclick: () => set({ page: to || null }) }, text);
  const words = `${number(found.count)} of ${number(facets.count)} rollouts` + (found.reward === null || found.reward === undefined ? "" : `, mean reward ${number(found.reward)}`) + (found.right === null || found.right === undefined ? "" : `, ${number(100 * found.right, 1)}% right`);
  put(
    place,
    el("div", { class: "bar-of" }, picker()),
    el(
      "form",
      { class: "filters card", role: "search", onsubmit: (event) => event.preventDefault() },
      field("text", "text", { type: "search", placeholder: "in prompt, text or answer" }),
      choice("right", "answer", [["right"], ["wrong"], ["unknown"]]),
      choice("order", "order", ORDERS.map((name) => [name]), null),
      state.get("task") ? el("label", {}, "task", el("button", { type: "button", "data-key": "f task", title: "Show those of all tasks", onclick: () => set({ task: null }) }, `${visible(state.get("task"))} ×`)) : null,
      el("button", { type: "button", "data-key": "f clear", onclick: () => set(Object.fromEntries(FILTERS.map((name) => [name, null]))) }, "clear"),
    ),
    el(
      "details",
      { class: "more", open: more },
      el("summary", { "data-key": "more" }, "More filters"),
      el(
        "form",
        { class: "filters card", "aria-label": "More filters", onsubmit: (event) => event.preventDefault() },
        field("first", "from round", { type: "number", min: facets.first ?? 0, placeholder: facets.first ?? "" }),
        field("last", "to round", { type: "number", min: 0, placeholder: facets.last ?? "" }),
        choice("role", "role", facets.roles.map((one) => [one.role, `${one.role} (${number(one.count)})`])),
        choice("trained", "trained on", [["true", "yes"], ["false", "no"]]),
        choice("reward", "reward", facets.rewards.map((name) => [name]), "sum of all"),
        field("least", "at least", { type: "number", step: "any" }),
        field("most", "at most", { type: "number", step: "any" }),
      ),
    ),
    el("p", { class: "hint", role: "status" }, words, facets.lines > facets.count ? el("span", { class: "bad" }, ` (${number(facets.lines - facets.count)} lines of the files cannot be read)`) : null),
    found.rows.length ? el("ol", { class: "list" }, found.rows.map(item)) : el("p", { class: "none empty" }, facets.count ? "None is like that." : "This run has kept no rollouts yet."),
    pages > 1 ? el("div", { class: "bar-of" }, turn("first", 0, !page), turn("previous", page - 1, !page), el("span", { class: "hint" }, `page ${page + 1} of ${number(pages)}`), turn("next", page + 1, page + 1 >= pages)) : null,
  );
}

export function closeRollout() {
  if (dialog.open) dialog.close();
}

export function stepRollout(by) {
  if (state.get("view") !== "rollouts") return;
  const at = now.rows.findIndex((row) => row.id === now.open?.id && row.round === now.open?.round);
  const next = now.rows[dialog.open ? at + by : Math.max(at, 0)];
  if (next) openRollout(now.run, next);
}

export async function openRollout(run, { round, id }) {
  let found;
  try {
    found = await ask("rollout", { run, round, id });
  } catch (error) {
    found = { failed: error.message, id, round };
  }
  now.open = { id, round: found.round };
  const open = (row) => openRollout(run, { round: found.round, id: row.id });
  const top = el("div", { class: "top" }, el("code", {}, visible(id)), el("button", { type: "button", onclick: () => stepRollout(-1), title: "Previous (key: k)", "aria-label": "Previous", "data-key": "previous" }, "◀"), el("button", { type: "button", onclick: () => stepRollout(1), title: "Next (key: j)", "aria-label": "Next", "data-key": "next" }, "▶"), el("button", { type: "button", onclick: closeRollout, title: "Close (Escape)", "aria-label": "Close", "data-key": "close" }, "✕"));
  if (found.failed) put(dialog, top, el("p", { class: "bad" }, visible(found.failed)));
  else put(dialog, top, meta(found), about(found), body(found), play(found), tree(found, open), group(found, open));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function about(row) {
  const rewards = row.rewards || {};
  const values = [
    ["task", el("button", { type: "button", class: "plain", onclick: () => (closeRollout(), set({ task: row.task })) }, visible(row.task))],
    ["answer", row.answer === null ? el("span", { class: "warn" }, "none was found") : visible(row.answer)],
    ["gold", row.gold === null ? "unknown" : visible(row.gold)],
    ["rewards", Object.entries(rewards).map(([name, value]) => `${visible(name)} ${number(value)}`).join(", ") || "none"],
    ["advantage", Array.isArray(row.advantage) ? `by token, mean ${signed(row.credit)}` : row.advantage === null ? "none" : signed(row.advantage)],
    ["trained on", row.trained ? (row.weight === null || row.weight === 1 ? "yes" : `with weight ${number(row.weight)}`) : "no"],
    ["ended by", row.stop ?? "unknown"],
    ["weights", row.version === null ? null : `version ${row.version}`],
    ["forked from", row.parent && visible(row.parent)],
    ["notes", row.keys && Object.entries(row.keys).filter(([name, value]) => name !== "moves" && value !== null).map(([name, value]) => `${visible(name)} ${visible(value)}`).join(", ")],
  ];
  return el("dl", {}, values.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function body(row) {
  const parts = [el("h3", {}, "Prompt"), el("pre", { tabindex: 0 }, visible(row.prompt))];
  if (row.play.length) return parts.slice(0, 0);
  if (row.turns?.length) return [...parts, el("h3", {}, "Turns"), stepper(turnsOf(row))];
  return [...parts, el("h3", {}, "Text"), row.pieces ? tokens(row, row.pieces.flatMap(tokensOf), creditOf(row)) : el("pre", { tabindex: 0 }, visible(row.text)), row.pieces ? null : el("p", { class: "hint" }, Array.isArray(row.advantage) ? "The advantage is by token. " : "", "The tokens of this run were not kept one by one; the setting keep_tokens=true keeps them.")];
}

// Tokens: each with its advantage, its log-probability when it was sampled, and how much that changed in the round.

const tokensOf = (piece) => piece.texts.map((text, i) => ({ text, logprob: piece.logprobs?.[i] ?? null, ratio: piece.ratios?.[i] ?? null }));
const creditOf = (row) => (Array.isArray(row.advantage) ? (i) => row.advantage[i] ?? null : () => row.advantage);

function tokens(row, all, credit, from = 0) {
  const found = all.slice(0, MOST_TOKENS);
  const ways = [["advantage", (one, i) => credit(from + i)], ["log-probability ratio", (one) => one.ratio], ["log-probability when sampled", (one) => one.logprob]];
  const kinds = ways.filter(([, value]) => found.some((one, i) => value(one, i) !== null));
  if (!Array.isArray(row.advantage)) kinds.sort((a, b) => (a[0] === "advantage") - (b[0] === "advantage")); // one color says little
  const out = el("div", { class: "readout", "aria-live": "polite" }), box = el("div", { class: "tokens", role: "group", "aria-label": "Tokens" });
  const select = el("select", { onchange: () => paint() }, kinds.map(([name]) => el("option", {}, name)));
  const tell = (i) => {
    out.textContent = [`${JSON.stringify(visible(found[i].text))}`, ...kinds.map(([name, value]) => `${name} ${signed(value(found[i], i))}`)].join(" · ");
  };
  const spans = found.map((one, i) => el("span", { tabindex: i ? -1 : 0, onpointerenter: () => tell(i), onfocus: () => tell(i) }, visible(one.text) || "␀"));
  const paint = () => {
    const value = (kinds.find(([name]) => name === select.value) || [null, () => null])[1];
    const most = Math.max(...found.map((one, i) => Math.abs(value(one, i) ?? 0)), 1e-9);
    spans.forEach((span, i) => {
      const size = value(found[i], i);
      span.style.background = size === null ? "" : `rgba(var(--${size > 0 ? "up" : "down"}), ${(0.75 * Math.abs(size)) / most})`;
    });
    scale.hidden = !kinds.length;
    ends.textContent = `\u2212${number(most)} to +${number(most)}`;
  };
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key], at = spans.indexOf(document.activeElement);
    if (!by || at < 0 || !spans[at + by]) return;
    event.preventDefault();
    spans[at].tabIndex = -1;
    spans[at + by].tabIndex = 0;
    spans[at + by].focus();
  });
  box.append(...spans);
  const ends = el("span", {}), scale = el("span", { class: "scale" }, el("i"), ends);
  paint();
  return [kinds.length ? el("div", { class: "bar-of" }, el("label", {}, "color by", select), scale) : null, box, all.length > found.length ? el("p", { class: "hint" }, `and ${number(all.length - found.length)} more tokens`) : null, out];
}

// Turns: of one rollout, or of all players of a play in the order of their moves.

function turnsOf(row) {
  let place = 0, action = 0;
  const credit = creditOf(row);
  return (row.turns || []).map(([kind, role, text]) => {
    const at = kind === "action" ? action++ : -1;
    const piece = row.pieces?.[at];
    const from = place;
    if (piece) place += piece.texts.length;
    const own = piece && Array.isArray(row.advantage) ? row.advantage.slice(from, place) : [];
    return { kind, role, text, seat: row.keys?.seat, move: row.keys?.moves?.[at], tokens: piece ? () => tokens(row, tokensOf(piece), credit, from) : null, credit: own.length ? own.reduce((a, b) => a + b, 0) / own.length : kind === "action" && !Array.isArray(row.advantage) ? row.advantage : null };
  });
}

function turnBox(turn) {
  return el("div", { class: `turn ${turn.kind}` }, el("div", { class: "what" }, `${turn.kind === "observation" ? "shown" : turn.kind}${turn.role ? ` ${turn.kind === "observation" ? "to" : "of"} ${visible(turn.role)}` : ""}${turn.credit === null || turn.credit === undefined ? "" : `, credit ${signed(turn.credit)}`}`), turn.tokens ? turn.tokens() : el("pre", {}, visible(turn.text)));
}

function stepper(turns, ends = []) {
  const boxes = turns.map(turnBox), last = boxes.length;
  const slide = el("input", { type: "range", min: 1, max: Math.max(last, 1), value: last, "aria-label": "Turn", oninput: () => show(Number(slide.value)) });
  const told = el("span", { class: "hint" });
  const show = (count) => {
    const upto = Math.min(Math.max(count, 1), last);
    slide.value = upto;
    boxes.forEach((box, i) => {
      box.hidden = i >= upto;
      box.classList.toggle("now", i === upto - 1);
    });
    for (const end of ends) end.hidden = upto < last;
    told.textContent = `turn ${upto} of ${last}`;
  };
  const button = (text, name, to) => el("button", { type: "button", "aria-label": name, title: name, onclick: () => show(to()) }, text);
  const controls = el("div", { class: "play", role: "group", "aria-label": "Turn by turn" }, button("|◀", "First turn", () => 1), button("◀", "One turn back", () => Number(slide.value) - 1), button("▶", "One turn on", () => Number(slide.value) + 1), button("▶|", "Last turn", () => last), slide, told);
  show(last);
  return el("div", {}, controls, boxes, ends);
}

// A play: what its players were shown and did, in the order of the moves.
function play(row) {
  if (!row.play.length) return null;
  const players = row.play.map((one) => ({ ...one, all: [["observation", null, one.prompt], ...(one.turns?.length ? one.turns : [["action", one.role, one.text]])] }));
  const turns = players.flatMap((one) => {
    let last = -1;
    const own = turnsOf({ ...one, turns: one.all });
    own.forEach((turn, i) => (turn.order = turn.move ?? own.slice(i).find((later) => later.move !== undefined)?.move ?? last + 1e-3, last = turn.order));
    return own.map((turn, i) => ({ ...turn, kind: turn.kind, role: `${one.role ?? "player"}, seat ${one.keys?.seat ?? "?"}`, place: i }));
  });
  turns.sort((a, b) => a.order - b.order);
  const keys = row.keys || {};
  const end = el("div", { class: "card" }, el("strong", {}, visible(`${keys.game}: ${keys.ending ?? ""} ${keys.outcome ?? ""}`)), el("ul", { class: "reasons" }, players.map((one) => el("li", {}, visible(`seat ${one.keys?.seat}: reward ${number(one.reward)}, advantage ${one.credit === null ? "none" : signed(one.credit)}`)))));
  return [el("h3", {}, "The play, move by move"), stepper(turns, [end])];
}

// A tree: who was forked from whom.
function tree(row, open) {
  if (!row.tree.length) return null;
  const children = new Map(), known = new Set(row.tree.map((one) => one.id));
  for (const one of row.tree) {
    const from = known.has(one.parent) ? one.parent : null;
    children.set(from, [...(children.get(from) || []), one]);
  }
  // A rollout may be forked from one that was not kept.
  const roots = (children.get(null) || []).map((one) => one.parent).filter((name, i, all) => name && all.indexOf(name) === i);
  const above = roots.length ? el("p", { class: "hint" }, `forked from ${roots.map(visible).join(", ")}, not kept`) : null;
  const node = (one) => el("li", {}, el("button", { type: "button", "data-key": `node ${one.id}`, "aria-current": one.id === row.id ? "true" : null, onclick: () => open(one) }, rightness(one.right), ` ${one.reward === null ? "" : `${number(one.reward)} `}${one.credit === null ? "" : `(${signed(one.credit)}) `}`, el("code", {}, tail(one.text) || "(empty)")), children.has(one.id) ? el("ul", {}, children.get(one.id).map(node)) : null);
  return [el("h3", {}, `Tree of ${row.tree.length} rollouts: reward (advantage) text`), above, el("ul", { class: "tree" }, (children.get(null) || []).map(node))];
}

function group(row, open) {
  if (row.group.length < 2 || row.play.length) return null;
  const line = (one) => el("tr", { "aria-current": one.id === row.id ? "true" : null }, el("td", {}, el("button", { type: "button", class: "plain", "data-key": `peer ${one.id}`, onclick: () => open(one) }, one.answer === null ? "no answer" : visible(one.answer) || "(empty)")), el("td", {}, rightness(one.right)), el("td", { class: "n" }, number(one.reward)), el("td", { class: "n" }, one.credit === null ? "–" : signed(one.credit)), el("td", { class: "n" }, one.tokens));
  return [el("h3", {}, `The ${row.group.length} rollouts on this task`), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["answer", "", "reward", "advantage", "tokens"].map((name) => el("th", { class: ["reward", "advantage", "tokens"].includes(name) ? "n" : "" }, name)))), el("tbody", {}, row.group.map(line))))];
}
