import assert from "node:assert/strict";
import test from "node:test";
import type { MultiPolygon, Polygon } from "geojson";
import { decodeMessage, decodePositions } from "../src/live/contract.ts";
import { makeStamps, paintDots, parseColour } from "../src/live/map/dots.ts";
import { mercatorX, mercatorY, pointInside } from "../src/live/map/geometry.ts";
import { Motion } from "../src/live/map/motion.ts";

/** Crossing number, written apart from the code under test. */
function isInside(rings: readonly (readonly number[][])[], [x, y]: readonly number[]): boolean {
  let crossed = 0;
  for (const ring of rings) {
    for (let i = 0; i + 1 < ring.length; i++) {
      const [[ax, ay], [bx, by]] = [ring[i], ring[i + 1]] as [[number, number], [number, number]];
      if (ay > (y as number) === by > (y as number)) continue;
      if ((x as number) < ax + (((y as number) - ay) * (bx - ax)) / (by - ay)) crossed++;
    }
  }
  return crossed % 2 === 1;
}

test("mercator agrees with known tile corners", () => {
  assert.equal(mercatorX(-180), 0);
  assert.equal(mercatorX(180), 1);
  assert.ok(Math.abs(mercatorY(85.0511287798066)) < 1e-12);
  assert.ok(Math.abs(mercatorY(0) - 0.5) < 1e-12);
});

test("the point of a horseshoe is on the shoe, not in its middle", () => {
  const shore: Polygon = {
    type: "Polygon",
    coordinates: [
      [
        [0, 0],
        [10, 0],
        [10, 10],
        [8, 10],
        [8, 2],
        [2, 2],
        [2, 10],
        [0, 10],
        [0, 0],
      ],
    ],
  };
  assert.ok(isInside(shore.coordinates, pointInside(shore)));
});

test("the point avoids a hole and chooses the largest part", () => {
  const square = (x: number, y: number, size: number) => [
    [x, y],
    [x + size, y],
    [x + size, y + size],
    [x, y + size],
    [x, y],
  ];
  const area: MultiPolygon = {
    type: "MultiPolygon",
    coordinates: [[square(50, 50, 1)], [square(0, 0, 10), square(1, 1, 8)]],
  };
  const point = pointInside(area);
  assert.ok(isInside(area.coordinates[1] as number[][][], point));
});

const CENTRE = [6.13, 45.9] as const;
const at = (motion: Motion, now: number, visitors: number) => {
  const out = new Float32Array(visitors * 2);
  motion.sample(now, out);
  return out;
};

test("a visitor glides from one frame to the next and stops there", () => {
  const motion = new Motion(CENTRE);
  motion.update(new Float32Array([0, 0]), 1_000);
  motion.update(new Float32Array([0.001, 0]), 1_500);
  const xs = [1_500, 1_600, 1_700, 9_000].map((now) => at(motion, now, 1)[0] as number);
  assert.equal(xs[0], 0);
  assert.ok((xs[0] as number) < (xs[1] as number) && (xs[1] as number) < (xs[2] as number));
  assert.ok(Math.abs((xs[3] as number) - 0.001 / 360) < 1e-10);
  assert.ok(motion.settled(9_000));
});

test("a visitor who jumps is not dragged across the map", () => {
  const motion = new Motion(CENTRE);
  motion.update(new Float32Array([0, 0]), 1_000);
  motion.update(new Float32Array([0.2, 0]), 1_500);
  assert.ok(Math.abs((at(motion, 1_501, 1)[0] as number) - 0.2 / 360) < 1e-8);
});

test("visitors without a position stay without one, and appear where they are", () => {
  const motion = new Motion(CENTRE);
  motion.update(new Float32Array([Number.NaN, Number.NaN]), 1_000);
  assert.ok(Number.isNaN(at(motion, 1_100, 1)[0]));
  motion.update(new Float32Array([0.001, 0.001]), 1_500);
  assert.ok(Math.abs((at(motion, 1_501, 1)[0] as number) - 0.001 / 360) < 1e-9);
});

test("positions survive the wire, NaN included", () => {
  const sent = new Float32Array([0.5, -0.25, Number.NaN, 1e-7]);
  const read = decodePositions(Buffer.from(sent.buffer).toString("base64"));
  assert.deepEqual([...read], [...sent]);
});

test("a message of an unknown type is left aside", () => {
  assert.equal(decodeMessage('{"type":"from-a-newer-server"}'), null);
  assert.equal(decodeMessage("[]"), null);
  assert.equal(decodeMessage('{"type":"push"}')?.type, "push");
});

/** Centre of what is painted, weighed by opacity. */
function inkCentre(pixels: Uint32Array, width: number): [x: number, y: number] {
  let [x, y, sum] = [0, 0, 0];
  for (const [i, value] of pixels.entries()) {
    const alpha = value >>> 24;
    x += alpha * ((i % width) + 0.5);
    y += alpha * (Math.floor(i / width) + 0.5);
    sum += alpha;
  }
  return [x / sum, y / sum];
}

test("a dot is painted where its visitor is, to a quarter of a pixel", () => {
  const stamps = makeStamps(2, 0.5, [10, 20, 30], [255, 255, 255]);
  const view = { x: 20, y: 16, scale: 100 };
  for (const [dx, dy] of [
    [0, 0],
    [0.031, 0.002],
    [-0.0549, 0.0427],
  ] as const) {
    const pixels = new Uint32Array(40 * 32).fill(7);
    paintDots(pixels, 40, 32, new Float32Array([dx, dy]), view, stamps);
    const [x, y] = inkCentre(pixels, 40);
    assert.ok(Math.abs(x - (20 + 100 * dx)) < 0.26, `x ${x}`);
    assert.ok(Math.abs(y - (16 + 100 * dy)) < 0.26, `y ${y}`);
  }
});

test("dots off the picture or without a position leave no ink", () => {
  const pixels = new Uint32Array(20 * 20);
  const points = new Float32Array([Number.NaN, Number.NaN, 9, 0, 0, -9, Number.NaN, 0]);
  const stamps = makeStamps(2, 0, [1, 2, 3], [0, 0, 0]);
  paintDots(pixels, 20, 20, points, { x: 10, y: 10, scale: 10 }, stamps);
  assert.ok(pixels.every((value) => value === 0));
});

test("a dot's halo never covers the core of another", () => {
  const stamps = makeStamps(2, 1.5, [0, 0, 0], [255, 255, 255]);
  const alone = new Uint32Array(40 * 40);
  paintDots(alone, 40, 40, new Float32Array([0, 0]), { x: 20, y: 20, scale: 1 }, stamps);
  const both = new Uint32Array(40 * 40);
  paintDots(both, 40, 40, new Float32Array([0, 0, 3, 0]), { x: 20, y: 20, scale: 1 }, stamps);
  const core = 20 * 40 + 20;
  assert.equal(both[core], alone[core]);
  assert.deepEqual(parseColour("#102030"), [16, 32, 48]);
});
