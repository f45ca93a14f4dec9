import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { PushMessage } from "./contract.ts";
import type { LiveMap } from "./map/view.ts";
import { onPush } from "./store.ts";

/** Long enough to read a title, short enough that the map stays a map. */
const BUBBLE_MS = 4_200;
/** Two bubbles nearer than this would cover each other; the second shows its ring only. */
const APART_PX = [250, 84] as const;

interface Shown {
  readonly push: PushMessage;
  readonly place: readonly [lon: number, lat: number];
}

function Bubble({ map, push, place }: Shown & { map: LiveMap }) {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!element.current) return;
    return map.pin(element.current, ...place);
  }, [map, place]);
  return (
    <div class="pin" ref={element}>
      <div class="bubble">
        <span class="tag" aria-hidden="true">
          {push.lang}
        </span>
        <span class="bubble-title" lang={push.lang}>
          {push.title}
        </span>
      </div>
    </div>
  );
}

/** True when a bubble here would leave the others readable. */
function hasRoom(map: LiveMap, shown: readonly Shown[], place: Shown["place"]): boolean {
  const at = map.project(...place);
  return shown.every((other) => {
    const there = map.project(...other.place);
    return Math.abs(there.x - at.x) > APART_PX[0] || Math.abs(there.y - at.y) > APART_PX[1];
  });
}

function listen(map: LiveMap, shown: Signal<readonly Shown[]>, room: number): () => void {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const show = (push: PushMessage) => {
    const place = map.placeOf(push);
    if (!place || shown.value.length >= room || !hasRoom(map, shown.value, place)) return;
    const bubble = { push, place };
    shown.value = [...shown.value, bubble];
    const timer = setTimeout(() => {
      timers.delete(timer);
      shown.value = shown.value.filter((other) => other !== bubble);
    }, BUBBLE_MS);
    timers.add(timer);
  };
  onPush.add(show);
  return () => {
    onPush.delete(show);
    for (const timer of timers) clearTimeout(timer);
    shown.value = [];
  };
}

/** What visitors' phones say, where they stand. Hidden from screen readers: the list says it too. */
export function Bubbles({ map, room }: { map: LiveMap; room: number }) {
  const shown = useSignal<readonly Shown[]>([]);
  useEffect(() => listen(map, shown, room), [map, room, shown]);
  return (
    <div aria-hidden="true">
      {shown.value.map(({ push, place }) => (
        <Bubble key={push.id} map={map} push={push} place={place} />
      ))}
    </div>
  );
}
