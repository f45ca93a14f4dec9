/** The map's look: layers over the destination's own GeoJSON, coloured by the design tokens. */
import type { Feature, FeatureCollection, Geometry, Point } from "geojson";
import type {
  ExpressionSpecification,
  FilterSpecification,
  LayerSpecification,
  StyleSpecification,
} from "maplibre-gl";
import { inLanguage, LANGUAGES, type Language } from "../../i18n/index.ts";
import type { Multilingual, Scene } from "../contract.ts";
import { pointInside } from "./geometry.ts";

/** Colours by name, read from the custom properties of the page. */
export type Palette = (token: string) => string;

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  // Asked for at each picture; asking the browser each time would cost more than the drawing.
  const known = new Map<string, string>();
  return (token) => {
    const value = known.get(token) ?? style.getPropertyValue(`--${token}`).trim();
    known.set(token, value);
    return value;
  };
}

export const HATCH_IMAGE = "hatch";
export const UNKNOWN_LAYER = "zones-unknown";
export const ZONES = "zones";
export const DENSITY = "density";
const NAMES = "names";
/** The layer that answers to the pointer. */
export const ZONE_FILL = "zones-fill";

/** No glyph server: MapLibre draws labels from the page's own fonts, by these names. */
const REGULAR = ["Inter"];
const STRONG = ["Inter Semibold"];
const kind = (...kinds: string[]): FilterSpecification => [
  "in",
  ["get", "kind"],
  ["literal", kinds],
];
const shape = (type: "Point" | "LineString" | "Polygon"): FilterSpecification => [
  "==",
  ["geometry-type"],
  type,
];
const both = (...filters: FilterSpecification[]): FilterSpecification =>
  ["all", ...filters] as FilterSpecification;

const onWater: FilterSpecification = ["==", ["get", "water"], true];

/** A width or size that grows with zoom between two stops. */
const grow = (z1: number, v1: number, z2: number, v2: number): ExpressionSpecification => [
  "interpolate",
  ["exponential", 1.4],
  ["zoom"],
  z1,
  v1,
  z2,
  v2,
];

const labelIn = (language: Language): ExpressionSpecification => ["get", `label_${language}`];

/** A label's own point: a polygon cut at the borders of tiles would be labelled once in each. */
function labelPoints<P>(
  features: readonly Feature<Geometry, P>[],
  mark: string,
): Feature<Point, P & { mark: string }>[] {
  const points: Feature<Point, P & { mark: string }>[] = [];
  for (const { geometry, properties } of features) {
    if (geometry.type !== "Polygon" && geometry.type !== "MultiPolygon") continue;
    const point: Point = { type: "Point", coordinates: pointInside(geometry) };
    points.push({ type: "Feature", geometry: point, properties: { ...properties, mark } });
  }
  return points;
}

/** Names become flat properties, one a language, because tiles hold no nested values. */
function withLabels<G extends Geometry, P extends { name?: Multilingual | string | null }>(
  features: FeatureCollection<G, P>,
  fallback: string,
): FeatureCollection<G> {
  const flat = features.features.map((feature): Feature<G> => {
    const { name, ...rest } = feature.properties;
    const text: Multilingual = typeof name === "string" ? { [fallback]: name } : (name ?? {});
    const labels = LANGUAGES.map(({ code }) => [`label_${code}`, inLanguage(text, code, fallback)]);
    return { ...feature, properties: { ...rest, ...Object.fromEntries(labels) } };
  });
  return { type: "FeatureCollection", features: flat };
}

function ground(color: Palette): LayerSpecification[] {
  const source = "basemap";
  return [
    { id: "land", type: "background", paint: { "background-color": color("map-land") } },
    {
      id: "towns",
      type: "fill",
      source,
      filter: both(kind("town"), shape("Polygon")),
      paint: { "fill-color": color("map-town") },
    },
    {
      id: "parks",
      type: "fill",
      source,
      filter: both(kind("park", "wood"), shape("Polygon")),
      paint: { "fill-color": color("map-park") },
    },
    {
      id: "water",
      type: "fill",
      source,
      filter: both(kind("water", "lake", "river"), shape("Polygon")),
      paint: { "fill-color": color("map-water"), "fill-outline-color": color("map-water-line") },
    },
    {
      id: "rivers",
      type: "line",
      source,
      filter: both(kind("river", "water"), shape("LineString")),
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": color("map-water"), "line-width": grow(10, 1.2, 16, 12) },
    },
    {
      id: "roads-edge",
      type: "line",
      source,
      filter: both(kind("road"), shape("LineString")),
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": color("map-road-edge"), "line-width": grow(10, 2, 16, 11) },
    },
    {
      id: "roads",
      type: "line",
      source,
      filter: both(kind("road"), shape("LineString")),
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": color("map-road"), "line-width": grow(10, 1.1, 16, 8.5) },
    },
    {
      id: "paths",
      type: "line",
      source,
      filter: both(kind("path", "cycle"), shape("LineString")),
      minzoom: 10,
      paint: {
        "line-color": color("map-path"),
        "line-width": grow(11, 0.8, 16, 2.5),
        "line-dasharray": [2.5, 1.5],
      },
    },
    {
      id: "boats",
      type: "line",
      source,
      filter: both(kind("boat"), shape("LineString")),
      paint: {
        "line-color": color("map-boat"),
        "line-width": grow(10, 0.8, 16, 2),
        "line-dasharray": [4, 4],
        "line-opacity": 0.8,
      },
    },
  ];
}

function levelColor(color: Palette): ExpressionSpecification {
  return [
    "match",
    ["coalesce", ["feature-state", "level"], "unknown"],
    "quiet",
    color("level-quiet"),
    "moderate",
    color("level-moderate"),
    "busy",
    color("level-busy"),
    "very_busy",
    color("level-very-busy"),
    "full",
    color("level-full"),
    color("level-unknown"),
  ];
}

const isActive: ExpressionSpecification = ["boolean", ["feature-state", "active"], false];

function crowd(color: Palette): LayerSpecification[] {
  return [
    {
      id: ZONE_FILL,
      type: "fill",
      source: ZONES,
      paint: {
        "fill-color": levelColor(color),
        "fill-opacity": [
          "case",
          isActive,
          0.6,
          ["==", ["coalesce", ["feature-state", "level"], "unknown"], "unknown"],
          0.14,
          0.42,
        ],
      },
    },
    {
      id: UNKNOWN_LAYER,
      type: "fill",
      source: ZONES,
      paint: { "fill-pattern": HATCH_IMAGE, "fill-opacity": 0.75 },
    },
    {
      id: "zones-casing",
      type: "line",
      source: ZONES,
      layout: { "line-join": "round" },
      // Yellow on a light map needs a shadow to have an edge at all.
      paint: { "line-color": color("ink"), "line-opacity": 0.22, "line-width": 3 },
    },
    {
      id: "zones-edge",
      type: "line",
      source: ZONES,
      layout: { "line-join": "round" },
      paint: {
        "line-color": levelColor(color),
        "line-width": ["case", isActive, 3.5, 1.6],
      },
    },
    {
      id: DENSITY,
      type: "circle",
      source: DENSITY,
      paint: {
        "circle-color": color("map-density"),
        "circle-opacity": 0.38,
        "circle-blur": 0.25,
        "circle-stroke-color": color("map-density"),
        "circle-stroke-width": 1,
        "circle-stroke-opacity": 0.6,
        "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "count"]], 2, 6, 30, 34],
      },
    },
  ];
}

function names(color: Palette, language: Language): LayerSpecification[] {
  const halo = { "text-halo-color": color("map-label-halo"), "text-halo-width": 1.6 };
  const text = { "text-field": labelIn(language), "text-max-width": 8 };
  return [
    {
      id: "name-water",
      type: "symbol",
      source: NAMES,
      filter: ["==", ["get", "mark"], "water"],
      layout: {
        ...text,
        "text-font": REGULAR,
        "text-size": grow(10, 12, 15, 18),
        "text-letter-spacing": 0.08,
      },
      paint: { "text-color": color("map-label-water") },
    },
    {
      id: "name-waters-part",
      type: "symbol",
      source: "basemap",
      filter: both(kind("label"), onWater),
      minzoom: 11,
      layout: { ...text, "text-font": REGULAR, "text-size": 11, "text-letter-spacing": 0.06 },
      paint: { "text-color": color("map-label-water") },
    },
    {
      id: "name-peak",
      type: "symbol",
      source: "basemap",
      filter: kind("peak"),
      minzoom: 10.5,
      layout: {
        ...text,
        "text-field": [
          "concat",
          "▲ ",
          labelIn(language),
          ["case", ["has", "height_m"], ["concat", "\n", ["get", "height_m"], " m"], ""],
        ],
        "text-font": REGULAR,
        "text-size": 11,
        "text-max-width": 12,
        "symbol-sort-key": ["-", 0, ["coalesce", ["get", "height_m"], 0]],
      },
      paint: { "text-color": color("map-label"), "text-opacity": 0.85, ...halo },
    },
    {
      id: "places",
      type: "circle",
      source: "places",
      minzoom: 11.2,
      paint: {
        // Hollow, so that nobody takes a place for a visitor.
        "circle-radius": ["case", ["get", "must_see"], 3.6, 2.6],
        "circle-color": color("map-label-halo"),
        "circle-stroke-color": color("map-place"),
        "circle-stroke-width": 1.5,
      },
    },
    {
      id: "name-place",
      type: "symbol",
      source: "places",
      minzoom: 13.2,
      layout: {
        ...text,
        "text-font": REGULAR,
        "text-size": 11,
        "text-anchor": "top",
        "text-offset": [0, 0.6],
        "symbol-sort-key": ["case", ["get", "must_see"], 0, 1],
      },
      paint: { "text-color": color("map-place"), ...halo },
    },
    {
      id: "name-town",
      type: "symbol",
      source: "basemap",
      filter: both(kind("town", "label"), shape("Point"), ["!", onWater] as FilterSpecification),
      layout: {
        ...text,
        "text-font": STRONG,
        "text-size": [
          "interpolate",
          ["linear"],
          ["zoom"],
          10,
          ["match", ["get", "rank"], 1, 14, 2, 11, 10],
          15,
          ["match", ["get", "rank"], 1, 20, 2, 15, 13],
        ],
        "symbol-sort-key": ["coalesce", ["get", "rank"], 2],
      },
      paint: { "text-color": color("map-label"), ...halo },
    },
    {
      id: "name-zone",
      type: "symbol",
      source: NAMES,
      filter: ["==", ["get", "mark"], "zone"],
      minzoom: 12.4,
      layout: { ...text, "text-font": STRONG, "text-size": 12 },
      paint: { "text-color": color("ink"), ...halo },
    },
  ];
}

export function layers(color: Palette, language: Language): LayerSpecification[] {
  return [...ground(color), ...crowd(color), ...names(color, language)];
}

export function mapStyle(scene: Scene, color: Palette, language: Language): StyleSpecification {
  const fallback = scene.destination.default_language;
  const geojson = (data: FeatureCollection) => ({ type: "geojson" as const, data });
  const waters = scene.basemap.features.filter(({ properties }) =>
    ["water", "lake"].includes(properties.kind),
  );
  const names: FeatureCollection<Point, { name?: Multilingual | string | null }> = {
    type: "FeatureCollection",
    features: [...labelPoints(waters, "water"), ...labelPoints(scene.zones.features, "zone")],
  };
  return {
    version: 8,
    sources: {
      basemap: geojson(withLabels(scene.basemap, fallback)),
      places: geojson(withLabels(scene.places, fallback)),
      [NAMES]: geojson(withLabels(names, fallback)),
      // Hardly simplified: a circle should look like one from afar too.
      [ZONES]: { ...geojson(withLabels(scene.zones, fallback)), promoteId: "id", tolerance: 0.1 },
      [DENSITY]: geojson({ type: "FeatureCollection", features: [] }),
    },
    layers: layers(color, language),
  };
}

/** Slanted lines for zones whose level nobody knows: absence must not look like a colour. */
export function hatch(color: string, ratio: number): ImageData {
  const size = 8 * ratio;
  const canvas = document.createElement("canvas");
  canvas.width = size;
  canvas.height = size;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("no 2D canvas");
  pen.strokeStyle = color;
  pen.lineWidth = 1.2 * ratio;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift - ratio, size + ratio);
    pen.lineTo(shift + size + ratio, -ratio);
    pen.stroke();
  }
  return pen.getImageData(0, 0, size, size);
}
