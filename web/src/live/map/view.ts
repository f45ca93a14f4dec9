/** The live map: the only module that imports MapLibre, loaded beside the interface. */
import {
  type GeoJSONSource,
  type LngLatBoundsLike,
  Map as MapLibreMap,
  type MapMouseEvent,
  setWorkerUrl,
} from "maplibre-gl";
import type { Language } from "../../i18n/index.ts";
import type { DensityCell, PushMessage, Scene, ZoneState } from "../contract.ts";
import { pointInside } from "./geometry.ts";
import { Overlay } from "./overlay.ts";
import {
  DENSITY,
  HATCH_IMAGE,
  hatch,
  layers,
  mapStyle,
  readPalette,
  UNKNOWN_LAYER,
  ZONE_FILL,
  ZONES,
} from "./style.ts";

declare const MAP_WORKER_FILE: string;
setWorkerUrl(new URL(MAP_WORKER_FILE, import.meta.url).href);

const FIT_PADDING_PX = 36;

export interface LiveMapOptions {
  readonly container: HTMLElement;
  readonly scene: Scene;
  readonly language: Language;
  readonly label: string;
  readonly reducedMotion: boolean;
  readonly onPick: (zone: string | null) => void;
  readonly onHover: (zone: string | null) => void;
  readonly onReady: () => void;
}

export class LiveMap {
  private readonly map: MapLibreMap;
  private readonly overlay: Overlay;
  private readonly anchors: ReadonlyMap<string, [lon: number, lat: number]>;
  private language: Language;
  private reducedMotion: boolean;
  private known = new Map<string, ZoneState>();
  private hovered: string | null = null;
  private picked: string | null = null;
  private ready = false;
  private cellCount = 0;
  private toldKey: string | null = null;

  constructor(private readonly options: LiveMapOptions) {
    const { scene } = options;
    this.language = options.language;
    this.reducedMotion = options.reducedMotion;
    this.anchors = new Map(
      scene.zones.features.map((zone) => [zone.properties.id, pointInside(zone.geometry)]),
    );
    const color = readPalette();
    this.map = new MapLibreMap({
      container: options.container,
      style: mapStyle(scene, color, this.language),
      bounds: this.bounds(),
      fitBoundsOptions: { padding: FIT_PADDING_PX },
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      minZoom: 7,
      maxZoom: 18,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.setLabel(options.label);
    const [lon, lat] = scene.destination.centre;
    this.overlay = new Overlay(this.map, [lon, lat], color, options.reducedMotion);
    this.map.once("style.load", this.addHatch);
    this.map.on("mousemove", this.hover);
    this.map.on("mouseout", () => this.setHovered(null));
    this.map.on("click", this.click);
    this.map.once("load", () => {
      this.ready = true;
      this.applyZones([...this.known.values()], true);
      options.onReady();
    });
  }

  destroy(): void {
    this.overlay.destroy();
    this.map.remove();
  }

  setLabel(label: string): void {
    this.map.getCanvas().setAttribute("aria-label", label);
  }

  setLanguage(language: Language): void {
    this.language = language;
    for (const layer of layers(readPalette(), language)) {
      if (layer.type === "symbol") {
        this.map.setLayoutProperty(layer.id, "text-field", layer.layout?.["text-field"]);
      }
    }
  }

  /** Takes the colours of the page again, after it went dark or light. */
  refreshLook(reducedMotion: boolean): void {
    const color = readPalette();
    this.reducedMotion = reducedMotion;
    for (const layer of layers(color, this.language)) {
      for (const [property, value] of Object.entries(layer.paint ?? {})) {
        this.map.setPaintProperty(layer.id, property as never, value as never);
      }
    }
    if (this.map.hasImage(HATCH_IMAGE)) this.map.removeImage(HATCH_IMAGE);
    this.addHatch();
    this.overlay.setLook(color, reducedMotion);
  }

  setZones(states: Iterable<ZoneState>): void {
    this.applyZones([...states], false);
  }

  setDensity(cells: readonly DensityCell[]): void {
    // Where visitors are simulated there are no cells: then the map has nothing to redraw.
    if (!this.ready || (cells.length === 0 && this.cellCount === 0)) return;
    this.cellCount = cells.length;
    const source = this.map.getSource<GeoJSONSource>(DENSITY);
    void source?.setData({
      type: "FeatureCollection",
      features: cells.map(([lon, lat, count]) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [lon, lat] },
        properties: { count },
      })),
    });
  }

  moveVisitors(degrees: Float32Array): void {
    this.overlay.move(degrees);
  }

  /** Where a message fired: its visitor's place, or its zone's for visitors who are real. */
  placeOf(push: PushMessage): [lon: number, lat: number] | null {
    if (push.lon !== null && push.lat !== null) return [push.lon, push.lat];
    return (push.zone && this.anchors.get(push.zone)) || null;
  }

  ring(lon: number, lat: number): void {
    this.overlay.ring(lon, lat);
  }

  pin(element: HTMLElement, lon: number, lat: number): () => void {
    return this.overlay.pin(element, lon, lat);
  }

  /** Where a place is on the map, in CSS pixels from its top left corner. */
  project(lon: number, lat: number): { x: number; y: number } {
    return this.map.project([lon, lat]);
  }

  anchorOf(zone: string): [lon: number, lat: number] | undefined {
    return this.anchors.get(zone);
  }

  pick(zone: string | null): void {
    const previous = this.picked;
    this.picked = zone;
    if (previous) this.paintActive(previous);
    if (zone) this.paintActive(zone);
  }

  showPoint(lon: number, lat: number): void {
    const zoom = Math.max(this.map.getZoom(), 13.5);
    this.map.flyTo({ center: [lon, lat], zoom, duration: this.duration(900) });
  }

  showZone(zone: string): void {
    const anchor = this.anchors.get(zone);
    if (anchor) this.showPoint(...anchor);
  }

  fit(): void {
    this.map.fitBounds(this.bounds(), { padding: FIT_PADDING_PX, duration: this.duration(700) });
  }

  zoom(step: number): void {
    this.map.zoomTo(this.map.getZoom() + step, { duration: this.duration(220) });
  }

  private bounds(): LngLatBoundsLike {
    const [west, south, east, north] = this.options.scene.destination.bounds;
    return [west, south, east, north];
  }

  private duration(ms: number): number {
    return this.reducedMotion ? 0 : ms;
  }

  private readonly addHatch = () => {
    if (this.map.hasImage(HATCH_IMAGE)) return;
    const ratio = Math.min(2, Math.ceil(window.devicePixelRatio || 1));
    const image = hatch(readPalette()("level-unknown"), ratio);
    this.map.addImage(HATCH_IMAGE, image, { pixelRatio: ratio });
  };

  private applyZones(states: readonly ZoneState[], all: boolean): void {
    for (const state of states) {
      const level = this.known.get(state.id)?.level;
      this.known.set(state.id, state);
      if (!this.ready || (level === state.level && !all)) continue;
      this.map.setFeatureState({ source: ZONES, id: state.id }, { level: state.level });
    }
    if (!this.ready) return;
    const told = states.filter((state) => state.level !== "unknown").map((state) => state.id);
    // A filter makes the worker cut its tiles again, so it is set only when the set has changed.
    const key = told.join("\n");
    if (key === this.toldKey) return;
    this.toldKey = key;
    this.map.setFilter(UNKNOWN_LAYER, ["!", ["in", ["get", "id"], ["literal", told]]]);
  }

  private zoneAt(event: MapMouseEvent): string | null {
    if (!this.ready) return null;
    const [top] = this.map.queryRenderedFeatures(event.point, { layers: [ZONE_FILL] });
    const id: unknown = top?.properties.id;
    return typeof id === "string" ? id : null;
  }

  private paintActive(zone: string): void {
    if (!this.ready) return;
    const active = zone === this.hovered || zone === this.picked;
    this.map.setFeatureState({ source: ZONES, id: zone }, { active });
  }

  private setHovered(zone: string | null): void {
    if (zone === this.hovered) return;
    const previous = this.hovered;
    this.hovered = zone;
    if (previous) this.paintActive(previous);
    if (zone) this.paintActive(zone);
    this.map.getCanvas().style.cursor = zone ? "pointer" : "";
    this.options.onHover(zone);
  }

  private readonly hover = (event: MapMouseEvent) => this.setHovered(this.zoneAt(event));

  private readonly click = (event: MapMouseEvent) => this.options.onPick(this.zoneAt(event));
}
