import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { formatCount, formatShare } from "../i18n/format.ts";
import { inLanguage, language, messages } from "../i18n/index.ts";
import { Icon } from "../ui/icon.tsx";
import { Level } from "../ui/level.tsx";
import type { LiveMap } from "./map/view.ts";
import { scene, selectedZone, zoneStates } from "./store.ts";

/** Of fewer real visitors than this it is not told how many they are. */
const UNTOLD = "< 10";

/** How full a zone is, in words: "132 of 300 · 44 %", or the bare count. */
export function occupancyWords(occupancy: number | null, capacity: number | null): string {
  const text = messages.value.zones;
  if (occupancy === null) return text.inside(UNTOLD);
  if (!capacity) return text.inside(formatCount(occupancy));
  const share = formatShare(occupancy / capacity);
  return `${text.ofCapacity(formatCount(occupancy), formatCount(capacity))} · ${share}`;
}

/** The zone under the pointer, or the one that was picked, with its figures as they change. */
export function ZoneCard({ map, hovered }: { map: LiveMap; hovered: string | null }) {
  const element = useRef<HTMLDivElement>(null);
  const id = hovered ?? selectedZone.value;
  const current = scene.value;
  const zone = current?.zones.features.find((feature) => feature.properties.id === id);
  const state = id ? zoneStates.value.get(id) : undefined;
  const text = messages.value.zones;

  useLayoutEffect(() => {
    const anchor = id ? map.anchorOf(id) : undefined;
    if (!anchor || !element.current) return;
    return map.pin(element.current, ...anchor);
  }, [map, id]);

  useEffect(() => {
    const close = (event: KeyboardEvent) => {
      if (event.key === "Escape") selectedZone.value = null;
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, []);

  if (!current || !zone || !id) return null;
  const { name, capacity } = zone.properties;
  const picked = id === selectedZone.value;
  return (
    <div class="pin" ref={element}>
      <div class="zone-card" data-picked={picked}>
        <div class="zone-card-head">
          <strong>{inLanguage(name, language.value, current.destination.default_language)}</strong>
          {picked && (
            <button
              type="button"
              class="icon-button"
              aria-label={text.close}
              onClick={() => {
                selectedZone.value = null;
              }}
            >
              <Icon name="close" />
            </button>
          )}
        </div>
        <div class="zone-card-line">
          <Level level={state?.level ?? "unknown"} />
          {state && (
            <span class="trend" data-trend={state.trend}>
              <Icon name={state.trend} />
              {text[state.trend]}
            </span>
          )}
        </div>
        <div class="zone-card-count tabular">
          {occupancyWords(state ? state.occupancy : 0, capacity)}
          {!capacity && <span class="faint"> · {text.noCapacity}</span>}
        </div>
      </div>
    </div>
  );
}
