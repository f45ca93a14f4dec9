import { useSignal } from "@preact/signals";
import { messages } from "../i18n/index.ts";
import { narrow } from "../ui/environment.ts";
import { Icon } from "../ui/icon.tsx";
import type { Level } from "./contract.ts";
import { simulated } from "./store.ts";

const RAMP: readonly Level[] = ["quiet", "moderate", "busy", "very_busy", "full", "unknown"];

/** What the colours and dots mean; folded away where room is short. */
export function Legend() {
  const text = messages.value;
  const open = useSignal<boolean | null>(null);
  const shown = open.value ?? !narrow.value;
  return (
    <div class="legend" data-open={shown}>
      <button
        type="button"
        class="legend-toggle"
        aria-expanded={shown}
        aria-controls="legend-body"
        onClick={() => {
          open.value = !shown;
        }}
      >
        <Icon name="layers" />
        {text.map.legend}
        <Icon name="chevron" />
      </button>
      <div id="legend-body" hidden={!shown}>
        <p class="legend-title">{text.map.crowding}</p>
        <ul class="legend-ramp">
          {RAMP.map((level) => (
            <li key={level}>
              <i class="swatch" data-level={level} aria-hidden="true" />
              {text.levels[level]}
            </li>
          ))}
        </ul>
        <ul class="legend-marks">
          <li>
            <i class={simulated.value ? "visitor-dot" : "density-dot"} aria-hidden="true" />
            {simulated.value ? text.map.simulatedVisitor : text.map.density}
          </li>
          <li>
            <i class="push-dot" aria-hidden="true" />
            {text.map.push}
          </li>
        </ul>
      </div>
    </div>
  );
}
