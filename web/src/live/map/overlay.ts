/**
 * What moves over the map: simulated visitors, rings where messages fire, and HTML pinned to
 * places. One 2D canvas that follows the map, so that the map itself is drawn only when it moves.
 */
import type { Map as MapLibreMap } from "maplibre-gl";
import { makeStamps, paintDots, parseColour, type Stamps, type View } from "./dots.ts";
import { mercatorX, mercatorY } from "./geometry.ts";
import { Motion } from "./motion.ts";
import type { Palette } from "./style.ts";

const RING_MS = 2_200;
/** More rings at once than an eye can follow; the oldest give way. */
const RINGS_MAX = 24;
/** A ring starts only where none has started so near and so lately. */
const CROWDED_PX = 26;
const CROWDED_MS = 900;
/** Thirty pictures a second look continuous for people on foot and leave the processor alone. */
const PICTURE_MS = 1_000 / 31;
const TILE_PX = 512;
/** Denser screens gain nothing visible from sharper dots. */
const RATIO_MAX = 2;
/** Pinned cards keep this distance from the map's edge. */
const EDGE_PX = 8;

interface Ring {
  readonly x: number;
  readonly y: number;
  readonly since_ms: number;
}

interface Pin {
  readonly x: number;
  readonly y: number;
  readonly element: HTMLElement;
}

export class Overlay {
  private readonly canvas = document.createElement("canvas");
  private readonly pen: CanvasRenderingContext2D;
  private readonly motion: Motion;
  private readonly origin: readonly [number, number];
  private positions = new Float32Array(0);
  private rings: Ring[] = [];
  private readonly pins = new Set<Pin>();
  private ratio = 1;
  private picture = new ImageData(1, 1);
  private pixels = new Uint32Array(1);
  private stamps: Stamps | null = null;
  private stampsKey = "";
  private frame = 0;
  private drawn_ms = 0;

  constructor(
    private readonly map: MapLibreMap,
    private readonly centre: [lon: number, lat: number],
    private color: Palette,
    private still: boolean,
  ) {
    // Kept in main memory, where the dots are painted.
    const pen = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!pen) throw new Error("no 2D canvas");
    this.pen = pen;
    this.canvas.className = "overlay-canvas";
    map.getCanvasContainer().append(this.canvas);
    this.motion = new Motion(centre);
    this.origin = [mercatorX(centre[0]), mercatorY(centre[1])];
    map.on("render", this.draw);
    map.on("resize", this.resize);
    this.resize();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    this.map.off("render", this.draw);
    this.map.off("resize", this.resize);
    this.canvas.remove();
  }

  setLook(color: Palette, still: boolean): void {
    this.color = color;
    this.still = still;
    this.stamps = null;
    this.wake();
  }

  move(degrees: Float32Array): void {
    const now = performance.now();
    this.motion.update(degrees, now);
    if (this.still) this.motion.settle();
    if (this.positions.length !== degrees.length) {
      this.positions = new Float32Array(degrees.length);
    }
    this.wake();
  }

  ring(lon: number, lat: number): void {
    const [x, y] = this.relative(lon, lat);
    const now = performance.now();
    const near = CROWDED_PX / this.view().scale;
    // In a burst, one ring speaks for its neighbours: a knot of rings says less than one.
    const spoken = this.rings.some(
      (ring) => now - ring.since_ms < CROWDED_MS && Math.hypot(ring.x - x, ring.y - y) < near,
    );
    if (spoken) return;
    this.rings.push({ x, y, since_ms: now });
    if (this.rings.length > RINGS_MAX) this.rings.shift();
    this.wake();
  }

  /** Keeps an element's foot at a place; its own width and height are kept inside the map. */
  pin(element: HTMLElement, lon: number, lat: number): () => void {
    const [x, y] = this.relative(lon, lat);
    const pin = { element, x, y };
    this.pins.add(pin);
    this.place(pin, this.view());
    return () => this.pins.delete(pin);
  }

  private relative(lon: number, lat: number): [number, number] {
    return [mercatorX(lon) - this.origin[0], mercatorY(lat) - this.origin[1]];
  }

  private view(): View {
    const { x, y } = this.map.project(this.centre);
    return { x, y, scale: TILE_PX * 2 ** this.map.getZoom() };
  }

  private readonly resize = () => {
    const ratio = Math.min(RATIO_MAX, window.devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.map.getContainer();
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.picture = new ImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.picture.data.buffer);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.stamps = null;
    this.draw();
  };

  private wake(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(this.tick);
  }

  private readonly tick = (now: number) => {
    this.frame = 0;
    if (now - this.drawn_ms >= PICTURE_MS) this.draw();
    const idle = this.motion.settled(performance.now()) && this.rings.length === 0;
    if (!idle) this.wake();
  };

  private readonly draw = () => {
    const now = performance.now();
    this.drawn_ms = now;
    const view = this.view();
    this.drawVisitors(view, now);
    this.drawRings(view, now);
    for (const pin of this.pins) this.place(pin, view);
  };

  /** Pixels of one visitor, made once a zoom step and colour scheme. */
  private visitorStamps(): Stamps {
    const radius = Math.min(4.2, Math.max(1.3, 1.5 + (this.map.getZoom() - 11.5) * 0.55));
    const key = radius.toFixed(1);
    if (this.stamps && this.stampsKey === key) return this.stamps;
    // Far out a halo would weigh more than its dot.
    const halo = Math.min(0.9, (radius - 1) * 0.6);
    const [fill, edge] = [this.color("map-visitor"), this.color("map-visitor-halo")];
    this.stamps = makeStamps(
      radius * this.ratio,
      halo * this.ratio,
      parseColour(fill),
      parseColour(edge),
    );
    this.stampsKey = key;
    return this.stamps;
  }

  private drawVisitors(view: View, now: number): void {
    const { width, height } = this.picture;
    this.motion.sample(now, this.positions);
    const device = {
      x: view.x * this.ratio,
      y: view.y * this.ratio,
      scale: view.scale * this.ratio,
    };
    paintDots(this.pixels, width, height, this.positions, device, this.visitorStamps());
    this.pen.putImageData(this.picture, 0, 0);
  }

  private drawRings(view: View, now: number): void {
    this.rings = this.rings.filter((ring) => now - ring.since_ms < RING_MS);
    const pen = this.pen;
    pen.save();
    pen.strokeStyle = this.color("accent");
    pen.fillStyle = this.color("accent");
    for (const ring of this.rings) {
      const age = (now - ring.since_ms) / RING_MS;
      const x = view.x + ring.x * view.scale;
      const y = view.y + ring.y * view.scale;
      for (const delay of this.still ? [0] : [0, 0.22]) {
        const share = (age - delay) / (1 - delay);
        if (share <= 0) continue;
        const eased = this.still ? 0.4 : 1 - (1 - share) ** 3;
        pen.globalAlpha = this.still ? 0.9 : 0.85 * (1 - share);
        pen.lineWidth = this.still ? 2 : 3 - 2 * share;
        pen.beginPath();
        pen.arc(x, y, 5 + 34 * eased, 0, 2 * Math.PI);
        pen.stroke();
      }
      pen.globalAlpha = this.still ? 1 : Math.min(1, 3 * (1 - age));
      pen.beginPath();
      pen.arc(x, y, 4.5, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.restore();
  }

  private place(pin: Pin, view: View): void {
    const { clientWidth } = this.map.getContainer();
    const { offsetWidth: width, offsetHeight: height } = pin.element;
    const x = view.x + pin.x * view.scale;
    const y = view.y + pin.y * view.scale;
    const left = Math.min(Math.max(EDGE_PX, x - width / 2), clientWidth - width - EDGE_PX);
    const below = y - height - 14 < EDGE_PX;
    const top = below ? y + 14 : y - height - 14;
    pin.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    pin.element.dataset.side = below ? "below" : "above";
    pin.element.style.setProperty("--foot", `${Math.round(x - left)}px`);
  }
}
