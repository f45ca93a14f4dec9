import assert from "node:assert/strict";
import test from "node:test";
import type { MultiPolygon, Polygon } from "geojson";
import { decodeMessage, decodePositions } from "../src/live/contract.ts";
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
