import { inLanguage, language, messages } from "../../i18n/index.ts";
import { Icon } from "../../ui/icon.tsx";
import { LEVEL_STEPS, Level } from "../../ui/level.tsx";
import type { ZoneProperties, ZoneState } from "../contract.ts";
import { scene, selectedZone, shownZone, zoneStates } from "../store.ts";
import { occupancyWords } from "../zone-card.tsx";

const ROW_PX = 64;

interface Line {
  readonly zone: ZoneProperties;
  readonly name: string;
  readonly state: ZoneState | undefined;
}

function byLevel(a: Line, b: Line): number {
  const rank = (line: Line) => LEVEL_STEPS[line.state?.level ?? "unknown"];
  return rank(b) - rank(a) || a.name.localeCompare(b.name, language.value);
}

function ZoneRow({ line, order }: { line: Line; order: number }) {
  const { zone, name, state } = line;
  const text = messages.value.zones;
  const share = zone.capacity && state ? Math.min(1, (state.occupancy ?? 0) / zone.capacity) : 0;
  const level = state?.level ?? "unknown";
  return (
    <li style={{ transform: `translateY(${order * ROW_PX}px)` }}>
      <button
        type="button"
        class="zone-row"
        aria-pressed={selectedZone.value === zone.id}
        title={text.showOnMap(name)}
        onClick={() => {
          selectedZone.value = zone.id;
          shownZone.value = { id: zone.id };
        }}
      >
        <span class="zone-row-name">{name}</span>
        <Level level={level} />
        <span class="zone-row-count tabular">
          {occupancyWords(state ? state.occupancy : 0, zone.capacity)}
        </span>
        {state && (
          <span class="trend" data-trend={state.trend} title={text[state.trend]}>
            <Icon name={state.trend} />
            <span class="visually-hidden">{text[state.trend]}</span>
          </span>
        )}
        <span class="zone-row-bar swatch-bar" data-level={level} aria-hidden="true">
          <i style={{ transform: `scaleX(${share})` }} />
        </span>
      </button>
    </li>
  );
}

/** Every zone as a row, busiest first: the map's content for keyboards and screen readers. */
export function ZoneList() {
  const text = messages.value.zones;
  const current = scene.value;
  if (!current) return null;
  if (current.zones.features.length === 0) {
    return (
      <div class="empty">
        <Icon name="area" />
        <strong>{text.empty}</strong>
        <span>{text.emptyHint}</span>
      </div>
    );
  }
  const fallback = current.destination.default_language;
  const lines = current.zones.features.map(
    ({ properties }): Line => ({
      zone: properties,
      name: inLanguage(properties.name, language.value, fallback),
      state: zoneStates.value.get(properties.id),
    }),
  );
  // Rows keep their place in the document and move by transform: focus stays where it was.
  const order = new Map([...lines].sort(byLevel).map((line, index) => [line.zone.id, index]));
  return (
    <div class="panel-scroll">
      <ul class="zone-rows" style={{ height: `${lines.length * ROW_PX}px` }}>
        {lines.map((line) => (
          <ZoneRow key={line.zone.id} line={line} order={order.get(line.zone.id) ?? 0} />
        ))}
      </ul>
    </div>
  );
}
