// The drawing of a graph on a canvas: its layout, and moving through it by pointer.

export const kindOf = (id) => id.slice(0, id.indexOf(":"));

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

export class Drawing {
  constructor(canvas, choose) {
    Object.assign(this, { canvas, nodes: new Map(), edges: [], kinds: [], chosen: null, view: { x: 0, y: 0, zoom: 1 }, seed: 1 });
    this.pen = canvas.getContext("2d");
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(canvas);
    this.theme = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.draw();
    this.theme.addEventListener("change", this.repaint);
    let held = null;
    canvas.onpointerdown = (event) => { held = { node: this.under(event), x: event.clientX, y: event.clientY, moved: false }; canvas.setPointerCapture(event.pointerId); };
    canvas.onpointermove = (event) => {
      if (!held) return;
      const dx = (event.clientX - held.x) / this.view.zoom, dy = (event.clientY - held.y) / this.view.zoom;
      if (!held.moved && Math.hypot(dx, dy) * this.view.zoom < 4) return;
      Object.assign(held, { moved: true, x: event.clientX, y: event.clientY });
      if (held.node) { held.node.x += dx; held.node.y += dy; } else { this.view.x -= dx; this.view.y -= dy; }
      this.draw();
    };
    canvas.onpointerup = () => { if (held && !held.moved) choose(held.node?.id ?? ""); held = null; };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.view.zoom = Math.max(0.05, Math.min(5, this.view.zoom * Math.exp(-event.deltaY * 0.0015)));
      this.draw();
    }, { passive: false });
  }

  stop() {
    this.resized.disconnect();
    this.theme.removeEventListener("change", this.repaint);
  }

  random() { return (this.seed = (this.seed * 16807) % 2147483647) / 2147483647; }

  /** Draws these triples; entities that were drawn before stay where they are. */
  update(arrows, names, chosen) {
    const before = this.nodes, isFirst = before.size === 0;
    this.nodes = new Map();
    const node = (id) => {
      const known = this.nodes.get(id);
      if (known) return known;
      const old = before.get(id);
      const made = { id, name: names[id] ?? id, kind: kindOf(id), x: old?.x ?? this.random() * 600 - 300, y: old?.y ?? this.random() * 600 - 300, vx: 0, vy: 0, degree: 0 };
      this.nodes.set(id, made);
      return made;
    };
    this.edges = arrows.map(([s, predicate, o, confidence]) => {
      const edge = { from: node(s), to: node(o), predicate, confidence };
      edge.from.degree++; edge.to.degree++;
      return edge;
    });
    this.all = [...this.nodes.values()];
    this.kinds = [...new Set([...this.kinds, ...this.all.map((each) => each.kind)])].sort();
    if (this.all.some((each) => !before.has(each.id))) {
      let heat = isFirst ? 1 : 0.4;
      for (let i = 0; i < Math.min(isFirst ? 300 : 80, 60000 / (this.all.length + 1)); i++, heat *= 0.995) this.settle(heat);
    }
    const moved = this.chosen?.id !== chosen;
    this.chosen = this.nodes.get(chosen) ?? null;
    if (isFirst || (moved && !this.chosen)) this.fit();
    if (moved && this.chosen) Object.assign(this.view, { x: this.chosen.x, y: this.chosen.y, zoom: Math.max(this.view.zoom, 0.8) });
    this.draw();
  }

  // Neighbours attract, everything else repels; where there is much, a grid keeps it from
  // comparing everything with everything.
  settle(heat) {
    const cell = this.all.length > 600 ? 120 : 1e6, grid = new Map();
    for (const n of this.all) {
      const key = `${Math.floor(n.x / cell)},${Math.floor(n.y / cell)}`;
      (grid.get(key) ?? grid.set(key, []).get(key)).push(n);
    }
    for (const n of this.all) {
      const cx = Math.floor(n.x / cell), cy = Math.floor(n.y / cell);
      for (let i = cx - 1; i <= cx + 1; i++) for (let j = cy - 1; j <= cy + 1; j++) {
        for (const m of grid.get(`${i},${j}`) ?? []) {
          if (m === n) continue;
          const dx = n.x - m.x, dy = n.y - m.y, d = Math.max(36, dx * dx + dy * dy);
          n.vx += (dx / d) * 160; n.vy += (dy / d) * 160;
        }
      }
      n.vx -= n.x * 0.004; n.vy -= n.y * 0.004;
    }
    for (const { from, to } of this.edges) {
      const dx = to.x - from.x, dy = to.y - from.y, d = Math.hypot(dx, dy) || 1, pull = (d - 110) * 0.02;
      from.vx += (dx / d) * pull; from.vy += (dy / d) * pull;
      to.vx -= (dx / d) * pull; to.vy -= (dy / d) * pull;
    }
    for (const n of this.all) {
      n.x += Math.max(-20, Math.min(20, n.vx)) * heat; n.y += Math.max(-20, Math.min(20, n.vy)) * heat;
      n.vx *= 0.6; n.vy *= 0.6;
    }
  }

  fit() {
    if (!this.all.length) return;
    const xs = this.all.map((n) => n.x), ys = this.all.map((n) => n.y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const { clientWidth, clientHeight } = this.canvas;
    this.view = { x: (left + right) / 2, y: (top + bottom) / 2, zoom: Math.max(0.05, Math.min(1.6, 0.85 * Math.min(clientWidth / (right - left + 110), clientHeight / (bottom - top + 80)))) };
  }

  color(kind) { return `hsl(${(this.kinds.indexOf(kind) * 137.5 + 20) % 360} 55% 52%)`; }

  /** A dot of a kind's color, for a legend. */
  dot(kind) {
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.style.background = this.color(kind);
    return dot;
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect(), { view } = this;
    const x = (event.clientX - box.left - box.width / 2) / view.zoom + view.x, y = (event.clientY - box.top - box.height / 2) / view.zoom + view.y;
    let best = null, least = 14 / view.zoom + 6;
    for (const n of this.all ?? []) { const d = Math.hypot(n.x - x, n.y - y); if (d < least) { best = n; least = d; } }
    return best;
  }

  draw() {
    const { canvas, pen, view, chosen, edges } = this, all = this.all ?? [];
    const scale = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    canvas.width = w * scale; canvas.height = h * scale;
    pen.setTransform(scale * view.zoom, 0, 0, scale * view.zoom, (w / 2 - view.x * view.zoom) * scale, (h / 2 - view.y * view.zoom) * scale);
    const radius = (n) => 5 + Math.min(9, Math.sqrt(n.degree));
    const near = chosen && new Set([chosen, ...edges.filter((e) => e.from === chosen || e.to === chosen).flatMap((e) => [e.from, e.to])]);
    const [line, text, soft, mark] = ["--line", "--text", "--soft", "--mark"].map(style);
    pen.font = "12px system-ui, sans-serif"; pen.textAlign = "center";
    for (const e of edges) {
      const touched = chosen && (e.from === chosen || e.to === chosen);
      pen.strokeStyle = pen.fillStyle = touched ? mark : line;
      pen.globalAlpha = (chosen && !touched ? 0.35 : 1) * (0.35 + 0.65 * e.confidence);
      pen.lineWidth = touched ? 1.6 : 1.2;
      if (e.from === e.to) {
        pen.beginPath(); pen.arc(e.from.x, e.from.y - radius(e.from) - 7, 8, 0, 7); pen.stroke();
        if (touched) pen.fillText(e.predicate, e.from.x, e.from.y - radius(e.from) - 18);
        continue;
      }
      const angle = Math.atan2(e.to.y - e.from.y, e.to.x - e.from.x), r = radius(e.to) + 2;
      const x = e.to.x - Math.cos(angle) * r, y = e.to.y - Math.sin(angle) * r;
      pen.beginPath(); pen.moveTo(e.from.x, e.from.y); pen.lineTo(x, y); pen.stroke();
      pen.beginPath(); pen.moveTo(x, y);
      pen.lineTo(x - Math.cos(angle - 0.4) * 7, y - Math.sin(angle - 0.4) * 7);
      pen.lineTo(x - Math.cos(angle + 0.4) * 7, y - Math.sin(angle + 0.4) * 7); pen.fill();
      if (touched || (all.length <= 40 && !chosen)) {
        pen.fillStyle = touched ? mark : soft;
        pen.fillText(e.predicate, (e.from.x + e.to.x) / 2, (e.from.y + e.to.y) / 2 - 3);
      }
    }
    for (const n of all) {
      pen.globalAlpha = near && !near.has(n) ? 0.3 : 1;
      pen.fillStyle = this.color(n.kind);
      pen.beginPath(); pen.arc(n.x, n.y, radius(n), 0, 7); pen.fill();
      if (n === chosen) { pen.strokeStyle = mark; pen.lineWidth = 2.5; pen.stroke(); }
      if (all.length <= 150 || near?.has(n) || view.zoom > 1.4) {
        pen.fillStyle = text; pen.fillText(n.name.slice(0, 40), n.x, n.y + radius(n) + 13);
      }
    }
    pen.globalAlpha = 1;
  }
}
