/** What the page learns from its surroundings, as signals. */
import { type ReadonlySignal, signal } from "@preact/signals";

function mediaSignal(query: string): ReadonlySignal<boolean> {
  const list = window.matchMedia(query);
  const value = signal(list.matches);
  list.addEventListener("change", (event) => {
    value.value = event.matches;
  });
  return value;
}

/** One column: the map on top, the rest in a sheet. The style sheets use the same width. */
export const narrow = mediaSignal("(max-width: 820px)");
export const dark = mediaSignal("(prefers-color-scheme: dark)");
export const reducedMotion = mediaSignal("(prefers-reduced-motion: reduce)");
