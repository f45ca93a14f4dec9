/** Numbers, times and names as the interface language writes them. */
import { computed } from "@preact/signals";
import { type Language, language } from "./index.ts";

/** How each language writes numbers and dates; English as the destination's continent does. */
const LOCALES: Readonly<Record<Language, string>> = { fr: "fr", en: "en-GB", de: "de" };
const locale = computed(() => LOCALES[language.value]);

const whole = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }));
const tenths = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 1 }));
const percent = computed(
  () => new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 0 }),
);
const compact = computed(
  () =>
    // Not the locale: British English writes a million "m", which reads as metres or minutes.
    new Intl.NumberFormat(language.value, {
      notation: "compact",
      maximumFractionDigits: 1,
    }),
);

export const formatCount = (value: number): string => whole.value.format(value);
export const formatShare = (value: number): string => percent.value.format(value);
export const formatFactor = (value: number): string => tenths.value.format(value);

/** Long counts lose their tail (1,234,567 -> 1.2M) so that a tile never overflows. */
export const formatShort = (value: number): string =>
  value < 100_000 ? whole.value.format(value) : compact.value.format(value);

/** For notes under a figure, where five digits are already too many. */
export const formatBrief = (value: number): string =>
  value < 10_000 ? whole.value.format(value) : compact.value.format(value);

/** A duration given in microseconds, in the unit that reads best: [number, unit]. */
export function splitDuration(us: number): readonly [string, string] {
  if (us < 1_000) return [whole.value.format(us), "µs"];
  if (us < 1_000_000) {
    const ms = us / 1_000;
    return [(ms < 100 ? tenths : whole).value.format(ms), "ms"];
  }
  return [tenths.value.format(us / 1_000_000), "s"];
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string, style: "time" | "seconds" | "day"): Intl.DateTimeFormat {
  const key = `${locale.value} ${zone} ${style}`;
  let format = clocks.get(key);
  if (!format) {
    const options: Intl.DateTimeFormatOptions =
      style === "day"
        ? { weekday: "short", day: "numeric", month: "short" }
        : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (style === "seconds") options.second = "2-digit";
    format = new Intl.DateTimeFormat(locale.value, { ...options, timeZone: zone });
    clocks.set(key, format);
  }
  return format;
}

export const formatTime = (ms: number, zone: string): string => clock(zone, "time").format(ms);
export const formatSeconds = (ms: number, zone: string): string =>
  clock(zone, "seconds").format(ms);
export const formatDay = (ms: number, zone: string): string => clock(zone, "day").format(ms);

/** The name of a language, in the interface's language ("German", "allemand", "Deutsch"). */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames(locale.value, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag; // not a language tag: show it as it is
  }
}
