"use strict";
// The structures of the report, and the one that is looked at.
const STRUCTURES = unpacked(DATA.structures);
const SYMBOLS = ("X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr " +
  "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu " +
  "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr " +
  "Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og").split(" ");

function bytes(text) {
  const raw = atob(text), found = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) found[k] = raw.charCodeAt(k);
  return found;
}

function unpacked(packed) {
  const numbers = bytes(packed.numbers), positions = new Float32Array(bytes(packed.positions).buffer);
  const cells = new Float32Array(bytes(packed.cells).buffer), found = new Map();
  let first = 0;
  packed.ids.forEach((id, k) => {
    const count = packed.sizes[k];
    found.set(id, {
      id,
      numbers: numbers.subarray(first, first + count),
      positions: positions.subarray(3 * first, 3 * (first + count)),
      cell: cells.subarray(9 * k, 9 * k + 9),
      periodic: packed.periodic[k],
      charge: packed.charge[k],
      spin: packed.spin[k],
      generation: packed.generation[k],
    });
    first += count;
  });
  return found;
}

// As in Hill's system: carbon, hydrogen, then the alphabet.
function formula(structure) {
  const counts = {};
  for (const z of structure.numbers) counts[SYMBOLS[z]] = (counts[SYMBOLS[z]] || 0) + 1;
  const order = Object.keys(counts).sort((a, b) => {
    const rank = (s) => (counts.C ? ["C", "H"].indexOf(s) : -1);
    const [i, j] = [rank(a), rank(b)].map((n) => (n < 0 ? 9 : n));
    return i - j || (a < b ? -1 : 1);
  });
  return order.map((s) => s + (counts[s] > 1 ? counts[s] : "")).join("");
}

function xyz(structure) {
  const lines = [String(structure.numbers.length)];
  const cell = structure.periodic ? `Lattice="${[...structure.cell].map((v) => v.toFixed(6)).join(" ")}" ` : "";
  const pbc = [1, 2, 4].map((bit) => (structure.periodic & bit ? "T" : "F")).join(" ");
  lines.push(`${cell}Properties=species:S:1:pos:R:3 pbc="${pbc}" charge=${structure.charge} spin=${structure.spin} configuration=${structure.id}`);
  structure.numbers.forEach((z, k) => {
    const place = [0, 1, 2].map((i) => structure.positions[3 * k + i].toFixed(5).padStart(12)).join("");
    lines.push(SYMBOLS[z].padEnd(3) + place);
  });
  return lines.join("\n") + "\n";
}

class Viewer {
  constructor(host) {
    this.host = host;
    this.gl = null;
    // the wheel scrolls the page until the viewer is clicked
    host.tabIndex = 0;
    host.addEventListener("wheel", (event) => { if (document.activeElement !== host) event.stopImmediatePropagation(); }, { capture: true });
    host.addEventListener("pointerdown", () => host.focus({ preventScroll: true }));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    new ResizeObserver(() => { if (this.gl) { this.gl.resize(); this.gl.render(); } }).observe(host);
  }

  paint() {
    if (!this.gl) return;
    this.gl.setBackgroundColor(getComputedStyle(this.host).backgroundColor);
    this.gl.render();
  }

  show(structure) {
    if (this.gl === null) this.start();
    if (!this.gl) {
      this.host.replaceChildren(make("pre", {}, `This browser has no WebGL.\n\n${xyz(structure)}`));
      this.host.style.overflow = "auto";
      return;
    }
    this.gl.clear();
    const model = this.gl.addModel();
    const atoms = [...structure.numbers].map((z, k) => ({
      elem: SYMBOLS[z], x: structure.positions[3 * k], y: structure.positions[3 * k + 1], z: structure.positions[3 * k + 2],
      bonds: [], bondOrder: [], serial: k,
    }));
    model.addAtoms(atoms);
    model.assignBonds ? model.assignBonds() : null;
    this.gl.setStyle({}, { stick: { radius: 0.13 }, sphere: { scale: 0.27 } });
    if (structure.periodic) this.box(structure.cell);
    this.gl.zoomTo();
    this.gl.zoom(structure.numbers.length < 30 ? 1.35 : 1.1);
    this.paint();
  }

  box(cell) {
    const corner = (i, j, k) => ({
      x: i * cell[0] + j * cell[3] + k * cell[6], y: i * cell[1] + j * cell[4] + k * cell[7], z: i * cell[2] + j * cell[5] + k * cell[8],
    });
    for (const [a, b] of [[0, 1], [1, 0]])
      for (const u of [0, 1])
        for (const v of [0, 1])
          for (const edge of a ? [] : [[[0, u, v], [1, u, v]], [[u, 0, v], [u, 1, v]], [[u, v, 0], [u, v, 1]]])
            this.gl.addLine({ start: corner(...edge[0]), end: corner(...edge[1]), color: "gray" });
  }

  start() {
    try {
      this.gl = $3Dmol.createViewer(this.host, { backgroundColor: getComputedStyle(this.host).backgroundColor, antialias: true });
    } catch (problem) {
      this.gl = undefined;
    }
    if (!this.gl) this.gl = undefined;
  }
}
