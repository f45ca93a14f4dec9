/** Small pure pieces of geometry that the map needs. */
import type { MultiPolygon, Polygon, Position } from "geojson";

const DEGREES = Math.PI / 180;

/** Web Mercator in the unit square: x from 0 (180 W) to 1, y from 0 (north) to 1. */
export function mercatorX(lon: number): number {
  return (180 + lon) / 360;
}

export function mercatorY(lat: number): number {
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * DEGREES) / 2)) / (2 * Math.PI);
}

function ringArea(ring: readonly Position[]): number {
  let twice = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const a = ring[j] as Position;
    const b = ring[i] as Position;
    twice += (a[0] as number) * (b[1] as number) - (b[0] as number) * (a[1] as number);
  }
  return Math.abs(twice / 2);
}

/** Longitudes where the rings cross a parallel, ascending. */
function crossings(rings: readonly (readonly Position[])[], lat: number): number[] {
  const found: number[] = [];
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [ax, ay] = ring[j] as [number, number];
      const [bx, by] = ring[i] as [number, number];
      if (ay > lat !== by > lat) found.push(ax + ((lat - ay) / (by - ay)) * (bx - ax));
    }
  }
  return found.sort((a, b) => a - b);
}

/**
 * A point well inside the largest part of an area, where a card can point at it: the middle of the
 * widest run inside it along a few parallels. The centre would fall into the lake for a shore.
 */
export function pointInside(area: Polygon | MultiPolygon): [lon: number, lat: number] {
  const parts = area.type === "Polygon" ? [area.coordinates] : area.coordinates;
  let largest = parts[0] ?? [];
  for (const part of parts) {
    if (ringArea(part[0] ?? []) > ringArea(largest[0] ?? [])) largest = part;
  }
  const outer = largest[0] ?? [];
  const lats = outer.map((position) => position[1] as number);
  const south = Math.min(...lats);
  const north = Math.max(...lats);
  let best: [number, number] = [(outer[0]?.[0] as number) ?? 0, (outer[0]?.[1] as number) ?? 0];
  let widest = 0;
  for (const share of [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8]) {
    const lat = south + (north - south) * share;
    const cuts = crossings(largest, lat);
    for (let i = 0; i + 1 < cuts.length; i += 2) {
      const west = cuts[i] as number;
      const east = cuts[i + 1] as number;
      if (east - west > widest) {
        widest = east - west;
        best = [(west + east) / 2, lat];
      }
    }
  }
  return best;
}
