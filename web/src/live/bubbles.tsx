import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { PushMessage } from "./contract.ts";
import type { LiveMap } from "./map/view.ts";
import { onPush } from "./store.ts";

/** Long enough to read a title, short enough that the map stays a map. */
const BUBBLE_MS = 4_200;
/** Two bubbles nearer than this would cover each other; the second shows its ring only. */
const APART_PX = [250, 84] as const;

function Bubble({ map, push }: { map: LiveMap; push: PushMessage }) {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!element.current) return;
    return map.pin(element.current, push.lon, push.lat);
  }, [map, push]);
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
function hasRoom(map: LiveMap, shown: readonly PushMessage[], push: PushMessage): boolean {
  const at = map.project(push.lon, push.lat);
  return shown.every((other) => {
    const there = map.project(other.lon, other.lat);
    return Math.abs(there.x - at.x) > APART_PX[0] || Math.abs(there.y - at.y) > APART_PX[1];
  });
}

function listen(map: LiveMap, shown: Signal<readonly PushMessage[]>, room: number): () => void {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const show = (push: PushMessage) => {
    if (shown.value.length >= room || !hasRoom(map, shown.value, push)) return;
    shown.value = [...shown.value, push];
    const timer = setTimeout(() => {
      timers.delete(timer);
      shown.value = shown.value.filter((other) => other !== push);
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
  const shown = useSignal<readonly PushMessage[]>([]);
  useEffect(() => listen(map, shown, room), [map, room, shown]);
  return (
    <div aria-hidden="true">
      {shown.value.map((push) => (
        <Bubble key={push.id} map={map} push={push} />
      ))}
    </div>
  );
}
