// Lines and stacked bars as SVG. A chart is read with the pointer or, once it has the focus, with the arrow keys; what it says stands in its legend.

import { el, number, visible } from "./parts.js";

const HEIGHT = 200, LEFT = 50, RIGHT = 10, TOP = 8, BOTTOM = 22;

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

function frame(width, xs, ys) {
  return {
    x: (value) => LEFT + ((value - xs[0]) / (xs[1] - xs[0])) * (width - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - ((value - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - TOP - BOTTOM),
    back: (pixel) => xs[0] + ((pixel - LEFT) / (width - LEFT - RIGHT)) * (xs[1] - xs[0]),
  };
}

function axes(at, width, xs, ys) {
  const parts = [];
  for (const value of ticks(...ys, 4)) {
    parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at.y(value), y2: at.y(value) }));
    const label = svg("text", { x: LEFT - 6, y: at.y(value) + 4, "text-anchor": "end" });
    label.textContent = number(value);
    parts.push(label);
  }
  for (const value of ticks(...xs, Math.max(2, Math.floor(width / 90)))) {
    if (!Number.isInteger(value)) continue;
    const label = svg("text", { x: at.x(value), y: HEIGHT - 6, "text-anchor": "middle" });
    label.textContent = number(value);
    parts.push(label);
  }
  return parts;
}

function range(values, share) {
  if (share) return [0, 1];
  let low = Math.min(...values), high = Math.max(...values);
  if (low > 0 && low < high * 0.6) low = 0;
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  return [low, high + (high - low) * 0.04];
}

// What the pointer or an arrow key points at: the nearest place with a value. `tell` is called with its index, or with null.
function pointed(chart, places, at, tell) {
  let now = null;
  const say = (index) => {
    now = index;
    tell(index);
  };
  chart.addEventListener("pointermove", (event) => {
    const wanted = at.back(event.clientX - chart.getBoundingClientRect().left);
    let best = 0;
    places.forEach((place, index) => {
      if (Math.abs(place - wanted) < Math.abs(places[best] - wanted)) best = index;
    });
    say(best);
  });
  chart.addEventListener("pointerleave", () => say(null));
  chart.addEventListener("blur", () => say(null));
  chart.addEventListener("keydown", (event) => {
    const last = places.length - 1;
    const next = { ArrowLeft: now === null ? last : Math.max(0, now - 1), ArrowRight: now === null ? 0 : Math.min(last, now + 1), Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    say(next);
  });
}

// series: [{name, color, points: [[x, y], ...]}]
export function lines(title, series, { share = false, hint = "", key = title, width = 400, remove = null } = {}) {
  const drawn = series.filter((one) => one.points.length);
  const legend = el("ul", { class: "legend", "aria-live": "polite" });
  const heading = el("figcaption", { title: hint }, el("strong", {}, visible(title)), el("span", { class: "at" }), remove);
  const box = el("figure", { class: "chart" }, heading, legend);
  if (!drawn.length) {
    box.append(el("p", { class: "none" }, "no values yet"));
    return box;
  }
  const places = [...new Set(drawn.flatMap((one) => one.points.map((point) => point[0])))].sort((a, b) => a - b);
  const xs = [Math.min(0, places[0]), Math.max(places[places.length - 1], 1)];
  const ys = range(drawn.flatMap((one) => one.points.map((point) => point[1])), share);
  const at = frame(width, xs, ys);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, tabindex: 0, role: "img", "aria-label": `${title}, ${series.length} lines`, "data-key": `chart ${key}` });
  chart.append(...axes(at, width, xs, ys));
  const rule = svg("line", { class: "rule", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  chart.append(rule);
  const tables = drawn.map((one) => new Map(one.points));
  drawn.forEach((one) => {
    const path = one.points.map(([x, y], index) => `${index ? "L" : "M"}${at.x(x).toFixed(1)} ${at.y(y).toFixed(1)}`).join("");
    chart.append(svg("path", { class: `line ${one.color}`, d: path, "data-points": one.points.length }));
    const [x, y] = one.points[one.points.length - 1];
    chart.append(svg("circle", { class: `dot ${one.color}`, cx: at.x(x), cy: at.y(y), r: 3.5 }));
  });
  const say = (index) => {
    rule.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index !== null) for (const end of ["x1", "x2"]) rule.setAttribute(end, at.x(places[index]));
    heading.querySelector(".at").textContent = index === null ? "" : ` round ${places[index]}`;
    legend.replaceChildren(
      ...drawn.map((one, i) => {
        const value = index === null ? one.points[one.points.length - 1][1] : tables[i].get(places[index]);
        return el("li", {}, el("i", { class: one.color }), `${visible(one.name)} `, el("b", {}, number(value)));
      }),
    );
  };
  say(null);
  pointed(chart, places, at, say);
  box.append(chart);
  return box;
}

// rows: [[x, part, part, ...]]; many rows share a bar, which is their mean.
export function bars(title, names, rows, { unit = "", key = title, width = 400, color = (i) => `c${i + 1}` } = {}) {
  const legend = el("ul", { class: "legend", "aria-live": "polite" });
  const heading = el("figcaption", {}, el("strong", {}, title), el("span", { class: "at" }));
  const box = el("figure", { class: "chart" }, heading, legend);
  if (!rows.length) {
    box.append(el("p", { class: "none" }, "no values yet"));
    return box;
  }
  const size = Math.ceil(rows.length / Math.max(10, Math.floor(width / 9)));
  const groups = [];
  for (let i = 0; i < rows.length; i += size) groups.push(rows.slice(i, i + size));
  const mean = (group, part) => group.reduce((sum, row) => sum + row[part + 1], 0) / group.length;
  const columns = groups.map((group) => ({ from: group[0][0], to: group[group.length - 1][0], parts: names.map((_, part) => mean(group, part)) }));
  const top = Math.max(...columns.map((column) => column.parts.reduce((a, b) => a + b, 0))) || 1;
  const xs = [-0.5, columns.length - 0.5], ys = [0, top * 1.05], at = frame(width, xs, ys);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, tabindex: 0, role: "img", "aria-label": title, "data-key": `chart ${key}` });
  chart.append(...axes(at, width, [0, 0.5], ys).filter((one) => one.getAttribute("text-anchor") !== "middle"));
  const wide = Math.max(2, Math.min(22, (width - LEFT - RIGHT) / columns.length - 2));
  columns.forEach((column, index) => {
    let sum = 0;
    column.parts.forEach((part, i) => {
      const low = at.y(sum), high = at.y((sum += part));
      if (low - high > 0.3) chart.append(svg("rect", { class: `bar ${color(i)}`, x: at.x(index) - wide / 2, width: wide, y: high, height: Math.max(0.5, low - high - 1) }));
    });
  });
  for (const index of new Set([0, columns.length - 1])) {
    const label = svg("text", { x: at.x(index), y: HEIGHT - 6, "text-anchor": columns.length > 1 && index ? "end" : "start" });
    label.textContent = columns[index].from;
    chart.append(label);
  }
  const rule = svg("line", { class: "rule", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  chart.append(rule);
  const say = (index) => {
    const column = columns[index ?? columns.length - 1];
    rule.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index !== null) for (const end of ["x1", "x2"]) rule.setAttribute(end, at.x(index));
    heading.querySelector(".at").textContent = ` round ${column.from === column.to ? column.from : `${column.from} to ${column.to}, mean`}`;
    legend.replaceChildren(...names.map((name, i) => el("li", {}, el("i", { class: color(i) }), `${name} `, el("b", {}, `${number(column.parts[i], 2)}${unit}`))));
  };
  say(null);
  pointed(chart, columns.map((_, index) => index), at, say);
  box.append(chart);
  return box;
}
