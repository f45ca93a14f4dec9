/** Line icons on a 24-pixel grid, drawn for Balise. Decorative: the words stand beside them. */
const PATHS = {
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V5a1 1 0 0 1 1-1h4m6 0h4a1 1 0 0 1 1 1v4m0 6v4a1 1 0 0 1-1 1h-4m-6 0H5a1 1 0 0 1-1-1v-4",
  layers: "m12 4 8 4.5-8 4.5-8-4.5zM4 13l8 4.5 8-4.5",
  close: "M6 6l12 12M18 6 6 18",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10.5-6.5z",
  up: "M12 19V6m-5.5 5L12 5.5 17.5 11",
  down: "M12 5v13m5.5-5L12 18.5 6.5 13",
  flat: "M5 12h13m-5-5.500L18.5 12 13 17.5",
  chevron: "m6.5 9.5 5.5 5.5 5.5-5.5",
  pin: "M12 21s7-6.2 7-11.500A7 7 0 0 0 5 9.500C5 14.8 12 21 12 21zM12 12a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  hand: "M8 12V6.500a1.5 1.5 0 0 1 3 0V11m0-1.500v-4a1.5 1.5 0 0 1 3 0V11m0-3.500a1.5 1.5 0 0 1 3 0v6.500a6 6 0 0 1-6 6h-.5a6 6 0 0 1-4.6-2.100L4.5 14a1.5 1.5 0 0 1 2.2-2L8 13.5",
  message: "M5 5h14a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-7l-5 4v-4H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z",
  area: "M5 8.5 12 4l7 4.500v7L12 20l-7-4.500z",
  plug: "M9 4v5m6-5v5M6.5 9h11v3a5.5 5.5 0 0 1-11 0zM12 17.500V21",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The beacon: Balise's mark. */
export function Beacon() {
  return (
    <svg class="beacon" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" />
      <circle cx="16" cy="16" r="3.6" />
      <path d="M9.6 9.600a9 9 0 0 0 0 12.800m12.8-12.800a9 9 0 0 1 0 12.8" />
    </svg>
  );
}
