/**
 * Paints many small dots into pixels. A canvas is asked for each dot costs more than the dots
 * themselves once there are thousands, on machines without a graphics card above all; stamping
 * prepared pixels costs the same few milliseconds for twenty thousand. Pure but for its buffer.
 */

/** Positions between pixels that have a stamp of their own, each way: movement stays smooth. */
const PHASES = 4;
const CORE_ALPHA = 0.78;
const HALO_ALPHA = 0.4;

export type Colour = readonly [red: number, green: number, blue: number];

/** Stamps of one dot: for each phase, size x size pixels as RGBA in memory order. */
export interface Stamps {
  readonly size: number;
  readonly phases: readonly Uint32Array[];
}

const clamp01 = (value: number) => Math.min(1, Math.max(0, value));

/** The core over its halo, as a pixel in the byte order of ImageData (little-endian everywhere). */
function blend(fill: Colour, inside: number, edge: Colour, around: number): number {
  const alpha = inside + around * (1 - inside);
  if (alpha === 0) return 0;
  const [red, green, blue] = fill.map((core, i) =>
    Math.round((core * inside + (edge[i] as number) * around * (1 - inside)) / alpha),
  ) as unknown as Colour;
  return ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * @param radius of the dot, in device pixels
 * @param halo width of the ring that parts dots from each other, in device pixels
 */
export function makeStamps(radius: number, halo: number, fill: Colour, edge: Colour): Stamps {
  const size = Math.ceil(2 * (radius + halo)) + 2;
  const phases: Uint32Array[] = [];
  for (let phase = 0; phase < PHASES * PHASES; phase++) {
    const centreX = size / 2 + (phase % PHASES) / PHASES;
    const centreY = size / 2 + Math.floor(phase / PHASES) / PHASES;
    const stamp = new Uint32Array(size * size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const distance = Math.hypot(x + 0.5 - centreX, y + 0.5 - centreY);
        const inside = CORE_ALPHA * clamp01(radius + 0.5 - distance);
        const around = halo > 0 ? HALO_ALPHA * clamp01(radius + halo + 0.5 - distance) : 0;
        stamp[y * size + x] = blend(fill, inside, edge, around);
      }
    }
    phases.push(stamp);
  }
  return { size, phases };
}

/** Where the map's centre is on the screen and how large the world is, in device pixels. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

/**
 * Clears the picture and stamps every dot that lies on it.
 * @param points pairs (x, y) from the view's origin, in worlds; NaN for no position
 */
export function paintDots(
  pixels: Uint32Array,
  width: number,
  height: number,
  points: Float32Array,
  view: View,
  stamps: Stamps,
): void {
  pixels.fill(0);
  const { size, phases } = stamps;
  for (let i = 0; i < points.length; i += 2) {
    const left = view.x + (points[i] as number) * view.scale - size / 2;
    const top = view.y + (points[i + 1] as number) * view.scale - size / 2;
    const x = Math.floor(left);
    const y = Math.floor(top);
    // A dot cut by the border is left out; NaN fails every comparison and is left out too.
    if (!(x >= 0 && y >= 0 && x + size <= width && y + size <= height)) continue;
    const phase = Math.floor((left - x) * PHASES) + PHASES * Math.floor((top - y) * PHASES);
    const stamp = phases[phase] as Uint32Array;
    for (let row = 0, from = 0, to = y * width + x; row < size; row++, to += width - size) {
      for (let column = 0; column < size; column++, from++, to++) {
        const ink = stamp[from] as number;
        // The more opaque pixel wins: cores stay whole where dots overlap.
        if (ink >>> 24 > (pixels[to] as number) >>> 24) pixels[to] = ink;
      }
    }
  }
}

/** Reads "#rrggbb". */
export function parseColour(hex: string): Colour {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
