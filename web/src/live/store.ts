/** What the page knows, as signals; the stream and the session write, components read. */
import { signal } from "@preact/signals";
import {
  decodePositions,
  type Figures,
  type FrameMessage,
  type LiveMessage,
  type PushMessage,
  type Scene,
  type ZoneState,
} from "./contract.ts";
import { addHeld, addPushes, type Entry, heldSince } from "./feed.ts";

/** Samples of the small curves: about half a minute. */
export const HISTORY_MAX = 60;
/** Messages are gathered this long before the list moves, so that it moves calmly. */
const FLUSH_MS = 450;
/** Messages that may wait while the list is paused: what would fit once it goes on. */
const WAITING_MAX = 500;

export type Phase = "loading" | "ready" | "unauthorised" | "failed";
export type Link =
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  /** Cut. retryAt_ms: when the next attempt comes; null while one is under way. */
  | { readonly state: "lost"; readonly retryAt_ms: number | null };

/** Virtual time as last told, and when it was told (performance.now, ms). */
export interface Clock {
  readonly now_ms: number;
  readonly speed: number;
  readonly told_ms: number;
}

export const phase = signal<Phase>("loading");
export const link = signal<Link>({ state: "connecting" });
export const scene = signal<Scene | null>(null);
/** True where visitors are simulated: the scene says so, or the first frame that carries some. */
export const simulated = signal(false);
export const figures = signal<Figures | null>(null);
export const clock = signal<Clock | null>(null);
export const zoneStates = signal<ReadonlyMap<string, ZoneState>>(new Map());
export const pingHistory = signal<readonly number[]>([]);
export const latencyHistory = signal<readonly number[]>([]);
export const entries = signal<readonly Entry[]>([]);
export const waitingCount = signal(0);
/** True while the reader holds the list still, by the button or by reading further down. */
export const pausedByButton = signal(false);
export const pausedByScroll = signal(false);
/** The zone whose card is open on the map, and where. */
export const selectedZone = signal<string | null>(null);
/** A zone the reader asked to see on the map; a new object each time it is asked for. */
export const shownZone = signal<{ readonly id: string } | null>(null);
/** A message the reader asked to see on the map. */
export const focusedPush = signal<PushMessage | null>(null);

/** Moments the map listens to directly: they come too often to go through components. */
export const onPositions = new Set<(frame: FrameMessage, positions: Float32Array) => void>();
export const onPush = new Set<(push: PushMessage) => void>();

let gathered: PushMessage[] = [];
let flushTimer: ReturnType<typeof setTimeout> | undefined;

const isPaused = () => pausedByButton.value || pausedByScroll.value;

/** Brings gathered messages into the list, unless the reader holds it. */
export function flush(): void {
  clearTimeout(flushTimer);
  flushTimer = undefined;
  if (isPaused()) {
    waitingCount.value = gathered.length;
    return;
  }
  if (gathered.length > 0) entries.value = addPushes(entries.value, gathered);
  gathered = [];
  waitingCount.value = 0;
}

function takePush(push: PushMessage): void {
  gathered.push(push);
  if (gathered.length > WAITING_MAX) gathered = gathered.slice(-WAITING_MAX);
  if (isPaused()) waitingCount.value = gathered.length;
  else flushTimer ??= setTimeout(flush, FLUSH_MS);
  for (const listener of onPush) listener(push);
}

const withSample = (history: readonly number[], value: number) =>
  [...history, value].slice(-HISTORY_MAX);

function takeFrame(frame: FrameMessage): void {
  const before = figures.value;
  // A server that restarted counts from zero again: nothing was held back "since" then.
  if (before && before.decisions <= frame.figures.decisions && !isPaused()) {
    const held = heldSince(before.held, frame.figures.held);
    entries.value = addHeld(entries.value, held, frame.now_ms);
  }
  figures.value = frame.figures;
  if (frame.simulated !== "") simulated.value = true;
  clock.value = { now_ms: frame.now_ms, speed: frame.speed, told_ms: performance.now() };
  zoneStates.value = new Map(frame.zones.map((zone) => [zone.id, zone]));
  pingHistory.value = withSample(pingHistory.value, frame.figures.pings_per_s);
  latencyHistory.value = withSample(latencyHistory.value, frame.figures.match_p99_us);
  if (onPositions.size === 0) return;
  const positions = decodePositions(frame.simulated);
  for (const listener of onPositions) listener(frame, positions);
}

export function take(message: LiveMessage): void {
  if (message.type === "push") takePush(message);
  else takeFrame(message);
}
