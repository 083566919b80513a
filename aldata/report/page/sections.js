"use strict";
// One function per section; each draws what the document has, and leaves the section hidden where it has nothing.
const ROWS = DATA.generations, ROW = new Map(ROWS.map((row) => [row.name, row]));
const COMPUTED = ROWS.filter((row) => row.metrics);
const MILLI = "meV/Å", PER_ATOM = "meV/atom";

function testSets() {
  return [...new Set(COMPUTED.flatMap((row) => Object.keys(row.metrics.test || {})))];
}

function overview() {
  const { name, commit, changed, made } = DATA.project;
  document.title = `${name} – aldata report`;
  document.getElementById("title").textContent = name;
  const revision = commit ? `commit ${commit.slice(0, 10)}${changed ? " with changes" : ""}` : "not committed yet";
  const theory = (DATA.lineages[0] || {}).theory || {};
  const level = ["xc", "basis", "version"].map((key) => theory[key]).filter(Boolean).join(" · ");
  document.getElementById("subtitle").textContent = [level, revision, made.slice(0, 16).replace("T", " ") + " UTC"].filter(Boolean).join("  ·  ");
  const here = document.getElementById("overview");
  const tiles = make("div", { class: "tiles" });
  const counted = ROWS.filter((row) => row.calls), total = (status) => counted.reduce((sum, row) => sum + row.calls[status], 0);
  const [accepted, without] = [total("accepted"), total("rejected") + total("failed")];
  const planned = ROWS.length - 1 - COMPUTED.length;
  tiles.append(tile(String(COMPUTED.length), null, planned ? `generations, ${planned} more planned` : COMPUTED.length === 1 ? "generation" : "generations"));
  tiles.append(tile(accepted.toLocaleString("en-US"), null, `labels, the seed's included; ${without ? words(without, "call") + " without one" : "no call failed"}`));
  tiles.append(tile(duration(counted.reduce((sum, row) => sum + row.cpu_seconds, 0)), null, "CPU time of the oracle"));
  const tips = newest(), shown = tips.length > 1 ? 1 : 2;
  for (const row of tips) for (const [set, errors] of Object.entries(row.metrics.test || {}).slice(0, shown)) {
    tiles.append(tile(number(errors.forces_rmse_meV_per_A), MILLI, `force RMSE of ${row.name} on test set ‘${set}’`));
    tiles.append(tile(number(errors.energy_rmse_meV_per_atom), PER_ATOM, `energy RMSE of ${row.name} on ‘${set}’`));
  }
  here.append(tiles);
  for (const row of newest()) if (row.metrics.stop) here.append(make("p", { class: "verdict" }, stopping(row)));
  for (const note of DATA.notes) here.append(make("p", { class: "note" }, note));
}

function newest() {
  const parents = new Set(COMPUTED.map((row) => row.parent));
  return COMPUTED.filter((row) => !parents.has(row.name)).slice(-3);
}

function stopping(row) {
  const stop = row.metrics.stop, pair = (name, unit) => `${number(stop[name])} ${unit} (wanted ${number(stop["wanted_" + name])})`;
  const told = stop.information_per_call === null || stop.information_per_call === undefined ? ""
    : `; a call of the best ${stop.remaining_frames} left in its pool would tell ${pair("information_per_call", "nats")}`;
  return `${row.name} has ${stop.reached ? "" : "not "}reached the target: errors on ${words(stop.probe_frames, "probe frame")} ` +
    `${pair("forces_rmse_meV_per_A", MILLI)} and ${pair("energy_rmse_meV_per_atom", PER_ATOM)}${told}.`;
}

function learning() {
  if (!COMPUTED.length) return;
  const here = section("learning");
  here.append(make("p", { class: "quiet" }, "Errors of each generation's model against what was paid for it. Test sets are the same frames throughout. The probe is drawn at random in every generation and never trained on: all of it so far judges a generation's own model; what is new of it judges the parent's model, at the parent's price, before its batch was trained on."));
  let across = "calls_total";
  const charts = make("div", { class: "grid" });
  const draw = () => charts.replaceChildren(
    curve("Forces", "forces_rmse_meV_per_A", `RMSE (${MILLI})`, across),
    curve("Largest force error", "forces_max_meV_per_A", `largest error (${MILLI})`, across),
    curve("Energies", "energy_rmse_meV_per_atom", `RMSE (${PER_ATOM})`, across),
    curve("Energies, mean error removed", "energy_rmse_shifted_meV_per_atom", `RMSE (${PER_ATOM})`, across));
  here.append(make("div", { class: "row" }, switcher([["calls_total", "number of calls"], ["oracle_seconds_total", "CPU time"]], across, (value) => { across = value; draw(); })), charts);
  draw();
}

function curve(title, error, label, across) {
  const unit = across === "calls_total" ? 1 : 3600;
  const own = (row) => row.metrics, parents = (row) => (ROW.get(row.parent) || {}).metrics || { calls_total: 0, oracle_seconds_total: 0 };
  const sources = [
    ...testSets().map((set) => [set, (row) => (row.metrics.test[set] || {})[error], own]),
    ["probe so far", (row) => (row.metrics.probe_so_far || {})[error], own],
    ["new probe, by the parent", (row) => (row.metrics.probe || {})[error], parents],
  ];
  const position = new Map(COMPUTED.map((row, k) => [row.name, k]));
  const links = COMPUTED.map((row, k) => [position.get(row.parent), k]).filter(([i]) => i !== undefined);
  const series = sources.map(([name, value, payer], k) => ({
    name, color: COLORS[k % COLORS.length], links, r: COMPUTED.length > 25 ? 2.5 : 4,
    points: COMPUTED.map((row) => ({
      x: payer(row)[across] / unit, y: value(row),
      tip: `${row.name} · ${plain(row.strategy)}\n${name}: ${number(value(row))}\n${words(payer(row).calls_total, "call")}, ${duration(payer(row).oracle_seconds_total)}`,
    })),
  })).filter((one) => one.points.some((point) => point.y !== null && point.y !== undefined));
  const made = card(title);
  const xLabel = across === "calls_total" ? "oracle calls, the seed's not counted" : "CPU hours of the oracle";
  plot(made, { title, x: { label: xLabel, zero: true }, y: { label, log: true }, series });
  return made;
}

function generations() {
  const here = section("generations"), sets = testSets();
  const most = Math.max(...ROWS.map((row) => row.cpu_seconds || 0), 1e-9);
  const metric = (group, name) => (row) => number(((row.metrics || {})[group] || {})[name]);
  const columns = [
    { head: "generation", cell: (row) => row.name },
    { head: "parent", cell: (row) => row.parent || "" },
    { head: "strategy", cell: (row) => (row.strategy ? plain(row.strategy) : "") },
    ...["accepted", "rejected", "failed"].map((status) => ({ head: status, n: true, cell: (row) => (row.calls ? row.calls[status].toLocaleString("en-US") : tag("planned")) })),
    { head: "CPU time", title: "of the oracle", cell: (row) => (row.cpu_seconds === null ? null : make("span", {}, bar(row.cpu_seconds / most), ` ${duration(row.cpu_seconds)}`)) },
    { head: "frames\ntrained on", n: true, cell: (row) => row.metrics && row.metrics.train_frames.toLocaleString("en-US") },
    { head: `probe\nF, ${MILLI}`, n: true, title: "RMS force error of the parent's model on this generation's probe", cell: metric("probe", "forces_rmse_meV_per_A") },
    ...sets.flatMap((set) => [
      { head: `${plain(set)}\nF, ${MILLI}`, n: true, title: "RMS force error on this test set", cell: (row) => number(((row.metrics || { test: {} }).test[set] || {}).forces_rmse_meV_per_A) },
      { head: `${plain(set)}\nE, ${PER_ATOM}`, n: true, title: "RMS energy error on this test set", cell: (row) => number(((row.metrics || { test: {} }).test[set] || {}).energy_rmse_meV_per_atom) },
    ]),
    { head: "worth", n: true, title: "the parent's force error on picks over that on the probe: 1 is what chance finds", cell: metric("worth", "error_ratio") },
  ];
  const found = table(columns, ROWS, { tall: ROWS.length > 14 });
  here.append(found, make("p", { class: "quiet small" }, "F, E: RMS errors of forces and energies; on the probe those of the parent's model. Worth: the parent's force error on the picks over that on the random probe; 1 is what chance finds."));
  if (ROWS.some((row) => row.bands.length)) here.append(reactionPaths());
}

function reactionPaths() {
  const bands = ROWS.flatMap((row) => [...new Set(row.bands.map((image) => image.band))].map((band) => [row, band]));
  const made = card("Energy along reaction paths");
  plot(made, {
    x: { label: "along the path (Å)", zero: true }, y: { label: "above the start (meV)", zero: true },
    series: bands.map(([row, band], k) => {
      const points = row.bands.filter((image) => image.band === band).map((image) => ({ x: image.along_A, y: image.energy_meV, tip: `${row.name}, image ${image.image}\n${band}\n${number(image.energy_meV)} meV after ${number(image.along_A)} Å` }));
      return { name: `${row.name}: ${band}`, color: COLORS[k % COLORS.length], always: true, r: 4, points, links: points.slice(1).map((_, i) => [i, i + 1]) };
    }),
  });
  made.append(make("p", { class: "quiet small" }, "Bands that each generation relaxed on its parent's model. What that model does not know yet, its path does not either."));
  return made;
}

function bar(share) {
  const made = make("span", { class: "bar" });
  made.style.width = `${Math.max(1, Math.round(44 * share))}px`;
  return made;
}

function calibration(state) {
  if (!COMPUTED.length) return;
  const here = section("calibration");
  here.append(make("p", { class: "quiet" }, "Whether the uncertainties are as large as the errors: the parent's on each generation's new probe frames, before they were trained on. Bars are 95 % intervals over frames."));
  const names = COMPUTED.map((row, k) => [k, row.name]), axis = { label: "generation", ticks: names };
  const of = (name, low, high) => ["forces", "energy"].map((what, k) => ({
    name: what === "energy" ? "energies" : what, color: COLORS[k], r: COMPUTED.length > 25 ? 3 : 4,
    points: COMPUTED.map((row, i) => {
      const at = (part) => (row.metrics.probe || {})[`${what}_${part}`];
      return { x: i + (k - 0.5) * 0.12, y: at(name), low: low && at(low), high: high && at(high), tip: `${row.name}, ${what}\n${number(at(name))}` + (low && at(low) !== null ? ` (${number(at(low))} to ${number(at(high))})` : "") };
    }),
  }));
  const squares = card("Mean squared error over the one predicted"), covered = card("Share of errors in their 95 % interval"), empty = "No generation has been judged on probe frames yet.";
  plot(squares, { x: axis, y: { label: "mean z²", log: true }, guides: [{ y: 1, text: "calibrated" }], series: of("mean_z2", "mean_z2_low", "mean_z2_high"), empty });
  plot(covered, { x: axis, y: { label: "share" }, guides: [{ y: 0.95, text: "0.95" }], series: of("coverage_95"), empty });
  const single = make("div", { class: "grid" });
  here.append(make("div", { class: "grid" }, squares, covered), chooser(state, COMPUTED.map((row) => row.name)), single);
  state.on("calibration", (changed) => {
    if (!changed.includes("generation")) return;
    const row = ROW.get(state.generation);
    if (row) single.replaceChildren(reliability(row), scatter(row.name));
  });
}

function reliability(row) {
  const made = card(`Reliability of ${row.name}: forces on all probe frames`);
  const factor = (row.calibration || {}).forces;
  plot(made, {
    square: true, guides: [{ diagonal: true }], x: { label: `predicted (${MILLI})`, zero: true }, y: { label: `found (${MILLI})`, zero: true },
    series: [{ color: COLORS[0], r: 5, points: row.reliability.map((bin) => ({ x: bin.predicted_meV_per_A, y: bin.actual_meV_per_A, tip: `${words(bin.atoms, "atom")}\npredicted ${number(bin.predicted_meV_per_A)}, found ${number(bin.actual_meV_per_A)} ${MILLI}` })) }],
  });
  if (factor) made.append(make("p", { class: "quiet small" }, factor.fitted ? `Factor ${number(factor.alpha)}, fitted on ${words(factor.frames, "probe frame")}.` : `Not calibrated: ${words(factor.frames, "probe frame")} are too few, the factor ${number(factor.alpha)} is the parent's.`));
  return made;
}

function scatter(name) {
  const points = DATA.residuals[name] || { sigma: [] };
  const made = card(`Sigma against error of ${name}: force on each probe atom`);
  const elements = [...new Set(points.element)];
  plot(made, {
    square: true, guides: [{ diagonal: true }], x: { label: `sigma (${MILLI})`, log: true }, y: { label: `error (${MILLI})`, log: true },
    series: elements.map((element, k) => ({
      name: element, color: COLORS[k % COLORS.length], r: 3, opacity: 0.75,
      points: points.sigma.map((sigma, i) => ({ x: sigma, y: points.error[i], element: points.element[i], tip: `${points.element[i]} in ${points.id[i]}\nsigma ${number(sigma)}, error ${number(points.error[i])} ${MILLI}` })).filter((point) => point.element === element),
    })),
  });
  return made;
}

// A selection of a generation; all of them on the page show the same one.
function chooser(state, names) {
  const select = make("select", { "aria-label": "generation", onchange: () => state.set({ generation: select.value }) }, ...names.map((name) => make("option", { value: name }, name)));
  state.on("overview", () => { if (names.includes(state.generation)) select.value = state.generation; });
  return make("div", { class: "row" }, make("label", { class: "quiet" }, "Generation ", select));
}

const LISTED = 500; // rows of a table that a browser lays out at once

function failuresSection() {
  const found = DATA.failures, here = section("failures");
  if (!found.total) {
    here.append(make("p", { class: "quiet" }, "Every call of the oracle gave a label."));
    return;
  }
  const classes = Object.entries(found.counts).map(([name, by]) => [name, by, Object.values(by).reduce((a, b) => a + b, 0)]).sort((a, b) => b[2] - a[2]);
  here.append(table([
    { head: "class", cell: ([name]) => plain(name) },
    { head: "calls", n: true, cell: (row) => String(row[2]) },
    { head: "", cell: (row) => bar(row[2] / classes[0][2]) },
    { head: "in", wrap: true, cell: (row) => Object.entries(row[1]).map(([name, count]) => `${name}: ${count}`).join(", ") },
  ], classes));
  here.append(table([
    { head: "generation", cell: (row) => row.generation },
    { head: "call", cell: (row) => short(row.call) },
    { head: "ended", cell: (row) => tag(`${row.status}: ${plain(row.failure)}`, true) },
    { head: "what the oracle said", wrap: true, cell: (row) => row.message },
    { head: "host", cell: (row) => row.host },
  ], found.calls.slice(0, LISTED), { tall: found.calls.length > 10 }));
  if (found.total > LISTED) here.append(make("p", { class: "note" }, `${LISTED} of ${found.total} calls without a label are listed. All of them, in the project: aldata query labels --generation G --where "status != 'accepted'"`));
}

function chain() {
  if (!DATA.lineages.length) return;
  const here = section("chain");
  here.append(make("p", { class: "quiet" }, "Every model is known by the digest of its weights, every data set by that of its list of calls, which names its parent's. `aldata audit model` and `aldata audit call` tell the rest.".replaceAll("`", "")));
  for (const lineage of DATA.lineages) here.append(...chainOf(lineage));
}

function chainOf(lineage) {
  const links = make("div", { class: "links" });
  lineage.chain.forEach((link, k) => {
    if (k) links.append(make("span", { class: "arrow", "aria-hidden": "true" }, "→"));
    const asked = ["accepted", "rejected", "failed"].map((status) => (link[status] ? `${link[status]} ${status}` : "")).filter(Boolean).join(", ");
    links.append(make("div", { class: "link" },
      make("b", {}, link.generation), make("div", { class: "quiet" }, link.strategy ? plain(link.strategy) : "start"),
      make("div", {}, `${asked || "no"} calls`, make("span", { class: "quiet" }, `, ${duration(link.cpu_seconds)}`)),
      make("div", {}, make("span", { class: "quiet" }, "data set "), short(link.dataset)),
      make("div", {}, make("span", { class: "quiet" }, "model "), short(link.checkpoint)),
      link.git_baseline ? make("div", {}, make("span", { class: "quiet" }, "commit "), short(link.git_baseline)) : null));
  });
  const uses = table([
    { head: "use", cell: (row) => plain(row.use) },
    { head: "calls", n: true, cell: (row) => row.calls.toLocaleString("en-US") },
    { head: "CPU time", n: true, cell: (row) => duration(row.cpu_hours * 3600) },
    { head: "meaning", wrap: true, cell: (row) => row.meaning },
  ], lineage.totals);
  const text = (value) => (value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const level = card("Level of theory", facts(Object.entries(lineage.theory).map(([key, value]) => [plain(key), text(value)])));
  const start = card("Began with", facts(Object.entries(lineage.origin).map(([path, digest]) => [path, short(digest)])));
  const warnings = lineage.missing.map((line) => make("p", { class: "note" }, `Not on record: ${line}`));
  if (lineage.tainted) warnings.unshift(make("p", { class: "note" }, `The model of ${lineage.generation} uses ${words(lineage.tainted, "retracted call")}.`));
  return [make("h3", {}, "Model of ", lineage.generation, " ", short(lineage.checkpoint)), ...warnings, links, uses, make("div", { class: "grid loose" }, level, start)];
}

function comparison() {
  const found = DATA.comparison;
  if (!found || !found.curves.length) return;
  const here = section("comparison");
  here.append(make("p", { class: "quiet" }, `${words(found.curves.length, "experiment")}, compared by ${error}: ${found.metric}; runs with the same random seed are compared with each other, at equal numbers of calls.`));
  for (const line of found.sentences) here.append(make("p", { class: "verdict" }, line));
  if (found.warnings.length) here.append(make("pre", { class: "note" }, found.warnings.join("\n")));
  const all = new Set(found.curves.map((curve) => curve.strategy)), rest = [...all].filter((name) => name !== "random").sort();
  const strategies = all.has("random") ? ["random", ...rest] : rest;
  const error = `${found.metric.startsWith("test") ? "force RMSE on the test set" : "force RMSE on the probe"} (${MILLI})`;
  const made = card("Learning curves, one per experiment");
  plot(made, {
    x: { label: "oracle calls", zero: true }, y: { label: error, log: true },
    series: strategies.map((strategy, k) => {
      const points = [], links = [];
      for (const curve of found.curves.filter((one) => one.strategy === strategy)) curve.points.forEach(([calls, value], i) => {
        if (i) links.push([points.length - 1, points.length]);
        points.push({ x: calls, y: value, tip: `${curve.experiment}\n${plain(strategy)}, seed ${curve.seed}\n${words(calls, "call")}: ${number(value)}` });
      });
      return { name: plain(strategy), color: COLORS[k % COLORS.length], always: true, r: 3, points, links };
    }),
  });
  here.append(made, table([
    { head: "experiment", cell: (curve) => curve.experiment },
    { head: "strategy", cell: (curve) => plain(curve.strategy) },
    { head: "seed", n: true, cell: (curve) => String(curve.seed) },
    { head: "calls", n: true, cell: (curve) => (curve.points.length ? String(curve.points[curve.points.length - 1][0]) : null) },
    { head: `last error\n${MILLI}`, n: true, cell: (curve) => (curve.points.length ? number(curve.points[curve.points.length - 1][1]) : null) },
  ], found.curves, { tall: found.curves.length > 10 }));
}
