// What the other scripts share: elements, requests, numbers as text. Whatever a run or a model wrote reaches the page as text nodes alone.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export async function ask(path, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "") query.append(name, one);
  }
  const reply = await fetch(`/api/${path}?${query}`);
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error || `status ${reply.status}`);
  return found;
}

// Control characters and marks that turn the direction of a text are shown, not obeyed; line ends and tabs stay.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200e\u200f\ufeff]/g;
export function visible(text) {
  return String(text ?? "").replace(HIDDEN, (one) => {
    const code = one.charCodeAt(0);
    return code < 32 ? String.fromCharCode(0x2400 + code) : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 10000) return Math.round(value).toLocaleString("en");
  if (Number.isInteger(value)) return String(value);
  return size >= 100 ? value.toFixed(1) : size !== 0 && size < 0.001 ? value.toExponential(1) : String(Number(value.toFixed(digits)));
}

export function signed(value) {
  return value > 0 ? `+${number(value)}` : number(value).replace("-", "\u2212");
}

export function ago(seconds) {
  const past = Math.max(0, Date.now() / 1000 - seconds);
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) if (past >= 2 * size) return `${Math.floor(past / size)} ${unit} ago`;
  return `${Math.floor(past)} s ago`;
}

export function later(work, wait = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), wait);
  };
}

// Put new children in place of the old, and the focus back on the element of the same `data-key`.
export function put(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key !== undefined) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

// The state of the page is in the address, so that it can be kept, sent and gone back to.
export const state = {
  get all() {
    return new URLSearchParams(location.hash.slice(1));
  },
  get(name) {
    return this.all.get(name);
  },
  list(name) {
    return this.all.getAll(name);
  },
  set(changes, keep = false) {
    const now = this.all;
    for (const [name, value] of Object.entries(changes)) {
      now.delete(name);
      for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "") now.append(name, one);
    }
    const hash = `#${now}`;
    if (hash === location.hash) return;
    if (keep) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
  },
  link(changes) {
    const now = this.all;
    for (const [name, value] of Object.entries(changes)) {
      now.delete(name);
      if (value !== null) now.append(name, value);
    }
    return `#${now}`;
  },
};
