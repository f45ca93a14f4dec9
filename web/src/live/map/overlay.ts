/**
 * What moves over the map: simulated visitors, rings where messages fire, and HTML pinned to
 * places. One 2D canvas that follows the map, so that the map itself is drawn only when it moves.
 */
import type { Map as MapLibreMap } from "maplibre-gl";
import { mercatorX, mercatorY } from "./geometry.ts";
import { Motion } from "./motion.ts";
import type { Palette } from "./style.ts";

const RING_MS = 2_200;
/** More rings at once than an eye can follow; the oldest give way. */
const RINGS_MAX = 40;
/** Thirty pictures a second look continuous for people on foot and leave the processor alone. */
const PICTURE_MS = 1_000 / 31;
const TILE_PX = 512;
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
  private sprite: HTMLCanvasElement | null = null;
  private spriteKey = "";
  private frame = 0;
  private drawn_ms = 0;

  constructor(
    private readonly map: MapLibreMap,
    private readonly centre: [lon: number, lat: number],
    private color: Palette,
    private still: boolean,
  ) {
    const pen = this.canvas.getContext("2d");
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
    this.sprite = null;
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
    this.rings.push({ x, y, since_ms: performance.now() });
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

  private view() {
    const { x, y } = this.map.project(this.centre);
    return { x, y, scale: TILE_PX * 2 ** this.map.getZoom() };
  }

  private readonly resize = () => {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.map.getContainer();
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.sprite = null;
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
    const { clientWidth: width, clientHeight: height } = this.map.getContainer();
    this.pen.clearRect(0, 0, width, height);
    const view = this.view();
    this.drawVisitors(view, width, height, now);
    this.drawRings(view, now);
    for (const pin of this.pins) this.place(pin, view);
  };

  /** Picture of one visitor, made once a zoom step and colour scheme. */
  private visitorSprite(): HTMLCanvasElement {
    const radius = Math.min(4.2, Math.max(1.7, 1.9 + (this.map.getZoom() - 11.5) * 0.42));
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const key = `${radius.toFixed(1)} ${ratio}`;
    if (this.sprite && this.spriteKey === key) return this.sprite;
    const size = Math.ceil((radius + 2) * 2 * ratio);
    const sprite = document.createElement("canvas");
    sprite.width = size;
    sprite.height = size;
    const pen = sprite.getContext("2d");
    if (!pen) throw new Error("no 2D canvas");
    pen.translate(size / 2, size / 2);
    pen.scale(ratio, ratio);
    pen.beginPath();
    pen.arc(0, 0, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.color("map-visitor");
    pen.globalAlpha = 0.82;
    pen.fill();
    pen.lineWidth = 0.8;
    pen.strokeStyle = this.color("map-visitor-halo");
    pen.stroke();
    this.sprite = sprite;
    this.spriteKey = key;
    return sprite;
  }

  private drawVisitors(
    view: { x: number; y: number; scale: number },
    width: number,
    height: number,
    now: number,
  ): void {
    const points = this.positions;
    this.motion.sample(now, points);
    const sprite = this.visitorSprite();
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const size = sprite.width / ratio;
    const half = size / 2;
    for (let i = 0; i < points.length; i += 2) {
      const x = view.x + (points[i] as number) * view.scale;
      const y = view.y + (points[i + 1] as number) * view.scale;
      // Written so that NaN (no position) fails it too.
      if (x > -half && x < width + half && y > -half && y < height + half) {
        this.pen.drawImage(sprite, x - half, y - half, size, size);
      }
    }
  }

  private drawRings(view: { x: number; y: number; scale: number }, now: number): void {
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
      pen.arc(x, y, 5, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.restore();
  }

  private place(pin: Pin, view: { x: number; y: number; scale: number }): void {
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
