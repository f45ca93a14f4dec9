/**
 * Where each simulated visitor is between two frames. The server tells positions twice a second;
 * the page glides from one to the next, one frame behind. Pure arithmetic over arrays.
 */
import { mercatorX, mercatorY } from "./geometry.ts";

/** Further than this in one frame (unit-square mercator, about 4 km) is a jump, not a walk. */
const JUMP = 1e-4;
/** A frame that comes late must not make visitors crawl; one that comes early, not make them leap. */
const SHORTEST_MS = 120;
const LONGEST_MS = 1_500;

export class Motion {
  /** Pairs (x, y), unit-square mercator relative to the centre; NaN where there is no position. */
  private from = new Float32Array(0);
  private to = new Float32Array(0);
  private since_ms = 0;
  private span_ms = 500;
  private readonly centre: readonly [lon: number, lat: number];
  private readonly origin: readonly [x: number, y: number];

  constructor(centre: readonly [lon: number, lat: number]) {
    this.centre = centre;
    this.origin = [mercatorX(centre[0]), mercatorY(centre[1])];
  }

  get count(): number {
    return this.to.length / 2;
  }

  /** Takes a frame: pairs (lon, lat) in degrees from the centre. */
  update(degrees: Float32Array, now_ms: number): void {
    const length = degrees.length - (degrees.length % 2);
    const from = new Float32Array(length).fill(Number.NaN);
    this.sample(now_ms, from);
    const to = new Float32Array(length);
    for (let i = 0; i < length; i += 2) {
      const x = mercatorX(this.centre[0] + (degrees[i] as number)) - this.origin[0];
      const y = mercatorY(this.centre[1] + (degrees[i + 1] as number)) - this.origin[1];
      to[i] = x;
      to[i + 1] = y;
      const far = !(
        Math.abs(x - (from[i] as number)) + Math.abs(y - (from[i + 1] as number)) <
        JUMP
      );
      if (far) {
        from[i] = x;
        from[i + 1] = y;
      }
    }
    const gap_ms = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now_ms - this.since_ms));
    // The mean of gaps rather than the last one: frames jitter, and the walk should not.
    this.span_ms = this.count === 0 ? gap_ms : 0.7 * this.span_ms + 0.3 * gap_ms;
    this.from = from;
    this.to = to;
    this.since_ms = now_ms;
  }

  /** True when everybody has arrived, so that nothing needs drawing. */
  settled(now_ms: number): boolean {
    return now_ms - this.since_ms > this.span_ms;
  }

  /** Fills `out` with positions at a moment; visitors it has no room for are left out. */
  sample(now_ms: number, out: Float32Array): void {
    const share = Math.min(1, Math.max(0, (now_ms - this.since_ms) / this.span_ms));
    const length = Math.min(out.length, this.to.length);
    for (let i = 0; i < length; i++) {
      const a = this.from[i] as number;
      out[i] = a + ((this.to[i] as number) - a) * share;
    }
  }

  /** Moves everybody to where the last frame says, at once (reduced motion). */
  settle(): void {
    this.from = this.to.slice();
  }
}
