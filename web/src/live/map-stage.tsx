import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { language, messages } from "../i18n/index.ts";
import { dark, narrow, reducedMotion } from "../ui/environment.ts";
import { Icon } from "../ui/icon.tsx";
import { Banner, Unreachable } from "./banner.tsx";
import { Bubbles } from "./bubbles.tsx";
import { Legend } from "./legend.tsx";
import type { LiveMap } from "./map/view.ts";
import {
  focusedPush,
  onPositions,
  onPush,
  phase,
  scene,
  selectedZone,
  shownZone,
  zoneStates,
} from "./store.ts";
import { ZoneCard } from "./zone-card.tsx";

type MapState = "loading" | "ready" | "impossible";

/** Joins the map to the signals; gives back how to part them. */
function feedMap(map: LiveMap): () => void {
  const stops = [
    effect(() => {
      map.setLanguage(language.value);
      map.setLabel(messages.value.map.label);
    }),
    effect(() => map.setZones(zoneStates.value.values())),
    effect(() => {
      const zone = selectedZone.value;
      map.pick(zone);
    }),
    effect(() => {
      if (shownZone.value) map.showZone(shownZone.value.id);
    }),
    effect(() => {
      const place = focusedPush.value && map.placeOf(focusedPush.value);
      if (!place) return;
      map.showPoint(...place);
      map.ring(...place);
    }),
  ];
  let first = true;
  stops.push(
    effect(() => {
      void dark.value;
      const still = reducedMotion.value;
      if (!first) map.refreshLook(still);
      first = false;
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

function Controls({ map }: { map: LiveMap | null }) {
  const text = messages.value.map;
  const button = (label: string, icon: "plus" | "minus" | "fit", act: () => void) => (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={act}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="map-controls">
      {button(text.zoomIn, "plus", () => map?.zoom(1))}
      {button(text.zoomOut, "minus", () => map?.zoom(-1))}
      {button(text.fit, "fit", () => map?.fit())}
    </div>
  );
}

function Veil({ state }: { state: MapState }) {
  const { load } = messages.value;
  if (state === "impossible") {
    return (
      <div class="veil">
        <strong>{load.noMap}</strong>
        <span>{load.noMapHint}</span>
      </div>
    );
  }
  if (phase.value === "failed") return <Unreachable />;
  if (state === "ready") return null;
  return (
    <div class="veil">
      <span class="pulse" aria-hidden="true" />
      <span>{load.loading}</span>
    </div>
  );
}

export function MapStage() {
  const holder = useRef<HTMLDivElement>(null);
  const state = useSignal<MapState>("loading");
  const live = useSignal<LiveMap | null>(null);
  const hovered = useSignal<string | null>(null);
  const current = scene.value;

  useEffect(() => {
    const container = holder.current;
    if (!current || !container) return;
    let gone = false;
    let leave = () => {};
    void (async () => {
      try {
        const { LiveMap } = await import("./map/view.ts");
        if (gone) return;
        const map = new LiveMap({
          container,
          scene: current,
          language: language.peek(),
          label: messages.peek().map.label,
          reducedMotion: reducedMotion.peek(),
          onPick: (zone) => {
            selectedZone.value = zone;
          },
          onHover: (zone) => {
            hovered.value = zone;
          },
          onReady: () => {
            if (gone) return;
            state.value = "ready";
            live.value = map;
            const stop = feedMap(map);
            const move: Parameters<typeof onPositions.add>[0] = (frame, positions) => {
              map.moveVisitors(positions);
              map.setDensity(frame.density);
            };
            const ring: Parameters<typeof onPush.add>[0] = (push) => {
              const place = map.placeOf(push);
              if (place) map.ring(...place);
            };
            onPositions.add(move);
            onPush.add(ring);
            leave = () => {
              stop();
              onPositions.delete(move);
              onPush.delete(ring);
              live.value = null;
              map.destroy();
            };
          },
        });
        leave = () => map.destroy();
      } catch {
        if (!gone) state.value = "impossible";
      }
    })();
    return () => {
      gone = true;
      leave();
    };
  }, [current, live, state, hovered]);

  return (
    <section class="stage" aria-label={messages.value.app.live}>
      <div class="map" ref={holder} data-ready={state.value === "ready"} />
      {live.value && (
        <div class="pins">
          <Bubbles map={live.value} room={narrow.value ? 1 : 3} />
          <ZoneCard map={live.value} hovered={hovered.value} />
        </div>
      )}
      <Veil state={state.value} />
      {current && <Controls map={live.value} />}
      {current && <Legend />}
      <Banner />
    </section>
  );
}
