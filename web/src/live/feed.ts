/**
 * The list of what was sent and held back, newest first. Pure: every function takes a list and
 * gives a new one.
 */
import type { PushMessage } from "./contract.ts";

/** Cards kept: several screens of history, few enough to lay out in one go. */
export const ENTRIES_MAX = 60;
/** Cards added by one flush; a burst beyond it is told as one line, so that the list stays legible. */
export const CARDS_PER_FLUSH_MAX = 5;
/** A line of held-back decisions gathers more until this many cards are above it. */
export const HELD_GATHERS_WITHIN = 4;

export interface PushEntry {
  readonly kind: "push";
  readonly key: string;
  readonly push: PushMessage;
}

export interface HeldEntry {
  readonly kind: "held";
  readonly key: string;
  readonly at_ms: number;
  readonly total: number;
  readonly reasons: Readonly<Record<string, number>>;
}

export interface SkippedEntry {
  readonly kind: "skipped";
  readonly key: string;
  readonly at_ms: number;
  readonly count: number;
}

export type Entry = PushEntry | HeldEntry | SkippedEntry;

const trim = (entries: readonly Entry[]): readonly Entry[] => entries.slice(0, ENTRIES_MAX);

/** Adds messages given oldest first. */
export function addPushes(
  entries: readonly Entry[],
  pushes: readonly PushMessage[],
): readonly Entry[] {
  const known = new Set(entries.map((entry) => entry.key));
  const fresh: PushEntry[] = [];
  for (const push of pushes) {
    const key = `push-${push.id}`;
    if (known.has(key)) continue; // a reconnected stream may tell the last ones again
    known.add(key);
    fresh.push({ kind: "push", key, push });
  }
  const shown = fresh.slice(-CARDS_PER_FLUSH_MAX).reverse();
  const skipped = fresh.length - shown.length;
  const last = fresh[skipped - 1];
  if (skipped === 0 || !last) return shown.length > 0 ? trim([...shown, ...entries]) : entries;
  const line: SkippedEntry = {
    kind: "skipped",
    key: `skipped-${last.push.id}`,
    at_ms: last.push.at_ms,
    count: skipped,
  };
  return trim([...shown, line, ...entries]);
}

/** What was held back since the last frame: reason -> count, only what grew. */
export function heldSince(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const grown: Record<string, number> = {};
  for (const [reason, count] of Object.entries(after)) {
    const more = count - (before[reason] ?? 0);
    if (more > 0) grown[reason] = more;
  }
  return grown;
}

/** Adds held-back decisions to the line that is still gathering, or starts a new line. */
export function addHeld(
  entries: readonly Entry[],
  reasons: Readonly<Record<string, number>>,
  at_ms: number,
): readonly Entry[] {
  const more = Object.values(reasons).reduce((sum, count) => sum + count, 0);
  if (more === 0) return entries;
  const index = entries.slice(0, HELD_GATHERS_WITHIN + 1).findIndex((e) => e.kind === "held");
  const gathering = entries[index];
  if (gathering?.kind === "held") {
    const merged: Record<string, number> = { ...gathering.reasons };
    for (const [reason, count] of Object.entries(reasons)) {
      merged[reason] = (merged[reason] ?? 0) + count;
    }
    const grown: HeldEntry = {
      ...gathering,
      at_ms,
      total: gathering.total + more,
      reasons: merged,
    };
    return entries.map((entry) => (entry === gathering ? grown : entry));
  }
  const line: HeldEntry = { kind: "held", key: `held-${at_ms}`, at_ms, total: more, reasons };
  return trim([line, ...entries]);
}

/** Reasons by count, largest first; what does not fit in `rows` is summed under null. */
export function topReasons(
  reasons: Readonly<Record<string, number>>,
  rows: number,
): readonly (readonly [reason: string | null, count: number])[] {
  const sorted = Object.entries(reasons)
    .filter(([, count]) => count > 0)
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  if (sorted.length <= rows) return sorted;
  const rest = sorted.slice(rows - 1).reduce((sum, [, count]) => sum + count, 0);
  return [...sorted.slice(0, rows - 1), [null, rest]];
}
