/**
 * What the live page asks of the server. The server's side keeps exactly to these shapes.
 *
 * Paths, relative to the page `/console/live`:
 *   GET  /v1/live/scene    -> Scene, or 401 when no session is open
 *   WS   /v1/live/stream   -> JSON text frames (LiveMessage); close code 4401 = no session
 *   POST /console/session  with {"key": "..."} as JSON -> 204 and a session cookie, or 401
 *
 * Units: times in ms since the epoch (virtual time when simulated), latencies in microseconds,
 * positions in degrees (WGS84), longitude first.
 */
import type { FeatureCollection, Geometry, MultiPolygon, Point, Polygon } from "geojson";

export const SCENE_PATH = "../v1/live/scene";
export const STREAM_PATH = "../v1/live/stream";
export const SESSION_PATH = "session";
export const UNAUTHORISED_CLOSE_CODE = 4401;

/** A text in several languages: BCP 47 tag to text. */
export type Multilingual = Readonly<Record<string, string>>;

export type Level = "quiet" | "moderate" | "busy" | "very_busy" | "full" | "unknown";
export type Trend = "up" | "down" | "flat";
export type BasemapKind =
  | "water"
  | "lake"
  | "river"
  | "park"
  | "wood"
  | "town"
  | "road"
  | "path"
  | "cycle"
  | "boat"
  | "peak"
  | "label";

export interface Destination {
  readonly id: string;
  readonly name: Multilingual;
  readonly time_zone: string;
  readonly centre: readonly [lon: number, lat: number];
  readonly bounds: readonly [west: number, south: number, east: number, north: number];
  readonly default_language: string;
}

export interface ZoneProperties {
  readonly id: string;
  readonly name: Multilingual;
  readonly tags: readonly string[];
  readonly capacity: number | null;
}

export interface PlaceProperties {
  readonly id: string;
  readonly name: Multilingual;
  readonly must_see: boolean;
  readonly off_the_beaten_track: boolean;
  readonly categories: readonly string[];
}

export interface BasemapProperties {
  readonly kind: BasemapKind;
  readonly name?: Multilingual | string | null;
  /** Of a label: 1 is the most important. */
  readonly rank?: number;
  /** Of a label: it names water. */
  readonly water?: boolean;
  /** Of a peak: its height above the sea. */
  readonly height_m?: number;
}

export interface Campaign {
  readonly id: string;
  readonly name: string;
}

export interface Scene {
  readonly destination: Destination;
  readonly zones: FeatureCollection<Polygon | MultiPolygon, ZoneProperties>;
  readonly places: FeatureCollection<Point, PlaceProperties>;
  readonly basemap: FeatureCollection<Geometry, BasemapProperties>;
  readonly campaigns: readonly Campaign[];
  /** True when the visitors of this destination are simulated. */
  readonly simulated: boolean;
}

export interface Transitions {
  readonly enter: number;
  readonly exit: number;
  readonly dwell: number;
  readonly cross: number;
}

export interface Figures {
  readonly pings_per_s: number;
  readonly pings: number;
  readonly match_p50_us: number;
  readonly match_p99_us: number;
  readonly transitions: Transitions;
  readonly pushes: number;
  readonly decisions: number;
  /** Decisions not to send, by reason. */
  readonly held: Readonly<Record<string, number>>;
  readonly visitors: number;
  /** Pings accepted and not yet applied. */
  readonly queue: number;
}

export interface ZoneState {
  readonly id: string;
  readonly level: Level;
  /** Null where fewer real visitors are inside than may be told. */
  readonly occupancy: number | null;
  readonly trend: Trend;
}

/** A cell of real visitors: its centre and how many there are (cells under k are never sent). */
export type DensityCell = readonly [lon: number, lat: number, count: number];

export interface FrameMessage {
  readonly type: "frame";
  readonly now_ms: number;
  /** Virtual seconds a real second; 1 outside simulations, 0 when time stands still. */
  readonly speed: number;
  readonly figures: Figures;
  readonly zones: readonly ZoneState[];
  /** Base64 of little-endian Float32 pairs (lon, lat), degrees from the centre; NaN = no position. */
  readonly simulated: string;
  readonly density: readonly DensityCell[];
}

export interface PushMessage {
  readonly type: "push";
  readonly id: string;
  readonly at_ms: number;
  /** Where it fired; null for real visitors, who are shown by their zone only. */
  readonly lon: number | null;
  readonly lat: number | null;
  /** BCP 47 tag of title and body. */
  readonly lang: string;
  readonly title: string;
  readonly body: string;
  readonly campaign: string;
  readonly campaign_name: string;
  /** Zone id, or null when no zone caused it. */
  readonly zone: string | null;
  /** Empty for real visitors. */
  readonly visitor_label: string;
}

export type LiveMessage = FrameMessage | PushMessage;

/** Reads one text frame of the stream; null when it is none of ours (a newer server's, say). */
export function decodeMessage(text: string): LiveMessage | null {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("type" in value)) return null;
  return value.type === "frame" || value.type === "push" ? (value as LiveMessage) : null;
}

/** Decodes FrameMessage.simulated into pairs (lon, lat) relative to the centre, in degrees. */
export function decodePositions(base64: string): Float32Array {
  const raw = atob(base64);
  const view = new DataView(new ArrayBuffer(raw.length));
  for (let i = 0; i < raw.length; i++) view.setUint8(i, raw.charCodeAt(i));
  const positions = new Float32Array(Math.floor(raw.length / 4));
  for (let i = 0; i < positions.length; i++) positions[i] = view.getFloat32(i * 4, true);
  return positions;
}
