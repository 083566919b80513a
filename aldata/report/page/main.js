"use strict";
// The state of the page, the map with the structure beside it, the picks, and the start.
const GROUPS = [["pool", "var(--pool)", 3, 0.8], ["training set", COLORS[0], 3.5, 0.9], ["probe", COLORS[2], 5, 1], ["pick", COLORS[1], 5, 1]];

class State {
  constructor() { this.listeners = []; this.generation = null; this.structure = null; this.overall = false; }
  on(name, listener) { this.listeners.push([name, listener]); }
  set(values) {
    Object.assign(this, values);
    for (const [name, listener] of this.listeners) {
      try { listener(Object.keys(values)); } catch (problem) { excuse(name, problem); }
    }
  }
}

function pickOf(state, id) {
  const asked = state.overall ? Object.values(DATA.picks) : [DATA.picks[state.generation]];
  for (const found of asked) {
    const pick = found && found.rows.find((row) => row.id === id);
    if (pick) return pick;
  }
  return undefined;
}

// A switch between the map of a generation and that of all.
function everyGeneration(state) {
  const box = make("input", { type: "checkbox", onchange: () => state.set({ overall: box.checked }) });
  return make("label", { class: "row quiet" }, box, "all generations on common axes");
}

function mapSection(state, names) {
  if (!names.length || !(STRUCTURES.size || Object.keys(DATA.maps).length)) return;
  const here = section("map");
  here.append(make("p", { class: "quiet" }, "Every point is a structure, placed by the two largest principal components of its mean descriptor; each generation has its own axes, and all of them together have theirs. Click a point to look at it."));
  const chart = card(null), beside = card(null), host = make("div", { class: "viewer" }), told = make("div");
  const viewer = new Viewer(host);
  beside.append(host, told);
  here.append(chooser(state, names), ...(DATA.overall ? [everyGeneration(state)] : []), make("div", { class: "grid third" }, chart, beside));
  let drawn = null;
  state.on("map", (changed) => {
    if (changed.includes("generation") || changed.includes("overall")) drawn = drawMap(chart, state);
    else if (changed.includes("structure") && drawn) drawn.redraw();
  });
  let visible = false;
  const look = () => { if (visible && state.structure) display(state, viewer, told); };
  state.on("map", (changed) => { if (changed.includes("structure")) look(); });
  new IntersectionObserver((entries) => {
    if (!visible && entries.some((entry) => entry.isIntersecting)) { visible = true; look(); }
  }, { rootMargin: "200px" }).observe(here);
}

function drawMap(chart, state) {
  chart.replaceChildren();
  const columns = state.overall ? DATA.overall : DATA.maps[state.generation];
  if (!columns) {
    chart.append(make("p", { class: "quiet" }, `${state.generation} has no map: its choice was made by a version of aldata that drew none. Choose a structure from the list of picks below.`));
    return null;
  }
  const series = GROUPS.map(([name, color, r, opacity]) => ({ name, color, r, opacity, points: [] }));
  columns.group.forEach((group, k) => {
    const id = columns.id[k], pick = group > 1 ? pickOf(state, id) : null;
    const why = pick ? `\nrank ${pick.rank}, score ${number(pick.score)}\n${pick.status || "not called yet"}` : "";
    series[group].points.push({ x: columns.x[k], y: columns.y[k], id, tip: `${GROUPS[group][0]} ${id}${columns.generation ? `\nproposed by ${columns.generation[k]}` : ""}${why}` });
  });
  for (const one of series) one.name = `${one.name} (${one.points.length})`;
  return plot(chart, {
    bare: true, height: Math.min(470, Math.max(300, chart.clientWidth * 0.8)), title: "map of configurations", x: { label: "" }, y: { label: "" }, series: series.filter((one) => one.points.length),
    pick: (point) => state.set({ structure: point.id }), chosen: () => state.structure,
  });
}

function display(state, viewer, told) {
  const id = state.structure, structure = STRUCTURES.get(id), pick = pickOf(state, id);
  told.replaceChildren();
  viewer.host.hidden = !structure;
  if (structure) viewer.show(structure);
  else told.append(make("p", { class: "note" }, `The coordinates of ${id} are not in this report. In the project: aldata.open("configurations", ${JSON.stringify(state.generation)})["${id}"]`));
  const ev = "eV/Å";
  told.append(facts([
    ["configuration", make("span", { class: "id" }, id)],
    ["formula", structure && `${formula(structure)} (${words(structure.numbers.length, "atom")}${structure.periodic ? ", periodic" : ""})`],
    ["charge, spin", structure && (structure.charge || structure.spin) ? `${structure.charge} e, ${words(structure.spin, "unpaired electron")}` : null],
    ["from", structure && structure.generation],
    ...(pick ? [
      ["asked for as", pick.probe ? "probe, drawn at random" : `pick ${pick.rank}, score ${number(pick.score)}`],
      ["found by", pick.sampler && foundBy(pick)],
      ["call", pick.status && `${pick.status}${pick.failure && pick.failure !== "none" ? `: ${plain(pick.failure)}` : ""}`],
      ["sigma, error", pick.sigma_forces === null ? null : `${number(pick.sigma_forces)} ${ev} announced, ${number(pick.error_forces)} ${ev} found`],
    ] : []),
  ]));
  if (structure) told.append(make("div", { class: "row" }, make("button", { type: "button", onclick: () => save(structure) }, "Save as extended XYZ")));
}

function foundBy(pick) {
  const there = (name) => (pick[name] === null || pick[name] === undefined ? [] : [`${name} ${pick[name]}`]);
  const hot = pick.temperature ? [`${pick.sampler} at ${number(pick.temperature)} K`, `step ${pick.step}`] : [pick.sampler];
  return [...hot, ...there("image"), ...there("bead")].join(", ");
}

function save(structure) {
  const link = make("a", { href: URL.createObjectURL(new Blob([xyz(structure)], { type: "chemical/x-xyz" })), download: `${structure.id}.xyz` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function picksSection(state, names) {
  const decided = names.filter((name) => DATA.picks[name]);
  if (!decided.length) return;
  const here = section("picks"), body = make("div");
  here.append(chooser(state, decided), body);
  state.on("picks", (changed) => {
    if (changed.includes("generation")) body.replaceChildren(...picksOf(state));
    if (changed.includes("structure"))
      for (const line of body.querySelectorAll("tr[data-id]")) line.classList.toggle("on", line.dataset.id === state.structure);
  });
}

function picksOf(state) {
  const found = DATA.picks[state.generation];
  if (!found) return [make("p", { class: "quiet" }, `${state.generation} has not chosen yet.`)];
  const pool = found.pool.candidates === undefined ? "" : ` from ${words(found.pool.candidates, "candidate")}`;
  const why = make("div", { class: "card" },
    make("h3", {}, `${plain(found.strategy)}${found.asked && found.asked !== found.strategy ? ` (${plain(found.asked)} was asked for)` : ""}${pool}`),
    ...found.reasons.map((one) => make("p", {}, `${one.picks} × `, one.reason)),
    found.avoided ? make("p", { class: "quiet" }, `${words(found.avoided, "candidate")} left out: near failed calls.`) : null,
    ...found.warnings.map((line) => make("p", { class: "note" }, line)));
  plot(why, {
    height: 220, x: { label: "rank" }, y: { label: `score${found.score_unit && found.score_unit !== "1" ? ` (${found.score_unit})` : ""}` },
    series: [{ color: COLORS[1], points: found.rows.filter((row) => !row.probe).map((row) => ({ x: row.rank, y: row.score, id: row.id, tip: `${row.id}\nrank ${row.rank}, score ${number(row.score)}` })) }],
    pick: (point) => state.set({ structure: point.id }),
  });
  const worth = card("Announced and found: force of the parent's model");
  const groups = [["pick", COLORS[1], false], ["probe", COLORS[2], true]];
  plot(worth, {
    height: 260, square: true, guides: [{ diagonal: true }], x: { label: "largest sigma of the frame (eV/Å)", log: true }, y: { label: "largest error (eV/Å)", log: true },
    series: groups.map(([name, color, probe]) => ({ name, color, points: found.rows.filter((row) => row.probe === probe && row.sigma_forces !== null && row.error_forces !== null).map((row) => ({ x: row.sigma_forces, y: row.error_forces, id: row.id, tip: `${name} ${row.id}\nsigma ${number(row.sigma_forces)}, error ${number(row.error_forces)} eV/Å` })) })),
    pick: (point) => state.set({ structure: point.id }),
    empty: "The parent was no trained model, or its predictions are not here.",
  });
  return [make("div", { class: "grid" }, why, worth), picksTable(state, found)];
}

function picksTable(state, found) {
  const show = (row) => { state.set({ structure: row.id }); document.getElementById("map").scrollIntoView(); };
  return table([
    { head: "rank", n: true, cell: (row) => (row.probe ? tag("probe") : String(row.rank)) },
    { head: "configuration", cell: (row) => make("span", { class: "id" }, row.id) },
    { head: "score", n: true, cell: (row) => number(row.score) },
    { head: "found by", cell: (row) => row.sampler },
    { head: "T (K)", n: true, cell: (row) => (row.temperature ? number(row.temperature) : null) },
    { head: "sigma (eV/Å)", n: true, cell: (row) => number(row.sigma_forces) },
    { head: "error (eV/Å)", n: true, cell: (row) => number(row.error_forces) },
    { head: "call", cell: (row) => (row.status ? tag(row.status === "accepted" ? row.status : `${row.status}: ${plain(row.failure || "")}`, row.status !== "accepted") : null) },
    { head: "role", cell: (row) => row.role },
    { head: "CPU time", n: true, cell: (row) => duration(row.cpu_seconds) },
  ], found.rows, { tall: true, go: show, id: (row) => row.id });
}

function menu() {
  const host = document.getElementById("menu");
  for (const found of document.querySelectorAll("main section:not([hidden]) > h2"))
    host.append(make("a", { href: `#${found.parentElement.id}` }, found.dataset.short || found.textContent));
}

// A section that cannot be drawn says so; the others are drawn all the same.
function drawn(name, draw) {
  try { draw(); } catch (problem) { excuse(name, problem); }
}

function excuse(name, problem) {
  const here = section(name);
  if (here.querySelector(".excuse")) return;
  here.append(make("p", { class: "note excuse" }, `This part cannot be drawn: the project was recorded by another version of aldata, or a file is incomplete (${problem.message}).`));
}

function start() {
  const state = new State(), names = ROWS.slice(1).filter((row) => DATA.maps[row.name] || DATA.picks[row.name]).map((row) => row.name);
  drawn("overview", overview);
  drawn("learning", learning);
  drawn("generations", generations);
  drawn("calibration", () => calibration(state));
  drawn("map", () => mapSection(state, names));
  drawn("picks", () => picksSection(state, names));
  drawn("comparison", comparison);
  drawn("failures", failuresSection);
  drawn("chain", chain);
  menu();
  const first = (name) => { const found = DATA.picks[name]; return found && found.rows.length ? found.rows[0].id : (DATA.maps[name] || { id: [null] }).id.at(-1); };
  state.on("map", (changed) => { if (changed.includes("generation")) state.set({ structure: first(state.generation) }); });
  const last = names[names.length - 1] || (COMPUTED.length ? COMPUTED[COMPUTED.length - 1].name : null);
  if (last) state.set({ generation: last });
  document.getElementById("footer").textContent = "One file that loads nothing. Structures are drawn by 3Dmol.js 2.5.5 (Rego and Koes, Bioinformatics 31 (2015) 1322; BSD-3-Clause).";
}

start();
