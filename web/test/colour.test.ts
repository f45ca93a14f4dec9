import assert from "node:assert/strict";
import test from "node:test";
import tokens from "../src/design/tokens.css";

type Rgb = readonly [number, number, number];

/** Custom properties with a plain hex value: the light ones, and the dark ones over them. */
function palettes(): readonly [light: Map<string, Rgb>, dark: Map<string, Rgb>] {
  const [light = "", dark = ""] = (tokens as string).split("@media (prefers-color-scheme: dark)");
  const read = (css: string, base: Map<string, Rgb>) => {
    const colours = new Map(base);
    for (const [, name = "", hex = ""] of css.matchAll(/--([\w-]+):\s*#([0-9a-f]{6})/g)) {
      const value = Number.parseInt(hex, 16);
      colours.set(name, [value >> 16, (value >> 8) & 255, value & 255]);
    }
    return colours;
  };
  const first = read(light, new Map());
  return [first, read(dark, first)];
}

const linear = (channel: number) => {
  const c = channel / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};

const luminance = ([r, g, b]: Rgb) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

/** WCAG 2 contrast ratio. */
function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB. */
const SIGHT: Readonly<Record<string, readonly number[]>> = {
  full: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protan: [
    0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998,
  ],
  deutan: [
    0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881,
  ],
  tritan: [
    1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039,
  ],
};

/** CIE Lab (D65) of a colour as somebody sees it. */
function lab(colour: Rgb, sight: readonly number[]): Rgb {
  const [r, g, b] = colour.map(linear) as unknown as Rgb;
  const seen = [0, 1, 2].map((row) => {
    const [x = 0, y = 0, z = 0] = sight.slice(row * 3, row * 3 + 3);
    return Math.min(1, Math.max(0, x * r + y * g + z * b));
  }) as unknown as Rgb;
  const [R, G, B] = seen;
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : (t * 24389) / 27 / 116 + 16 / 116);
  const x = f((0.4124564 * R + 0.3575761 * G + 0.1804375 * B) / 0.95047);
  const y = f(0.2126729 * R + 0.7151522 * G + 0.072175 * B);
  const z = f((0.0193339 * R + 0.119192 * G + 0.9503041 * B) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const LEVELS = ["quiet", "moderate", "busy", "very-busy", "full"].map((name) => `level-${name}`);

test("levels stay apart for every kind of colour vision, in light and dark", () => {
  for (const palette of palettes()) {
    for (const [kind, sight] of Object.entries(SIGHT)) {
      for (const [i, first] of LEVELS.entries()) {
        for (const second of LEVELS.slice(i + 1)) {
          const [a, b] = [first, second].map((name) => lab(palette.get(name) as Rgb, sight)) as [
            Rgb,
            Rgb,
          ];
          const apart = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
          assert.ok(apart > 14, `${first} and ${second} (${kind}): ${apart.toFixed(1)}`);
        }
      }
    }
  }
});

test("from moderate to full each level is darker than the one before", () => {
  for (const palette of palettes()) {
    const ramp = LEVELS.slice(1).map((name) => luminance(palette.get(name) as Rgb));
    assert.deepEqual(
      [...ramp].sort((a, b) => b - a),
      ramp,
    );
  }
});

test("text reaches a contrast of 4.5 on every surface it is set on", () => {
  const pairs = [
    ["ink", "surface"],
    ["ink", "raised"],
    ["ink-soft", "surface"],
    ["ink-soft", "sunken"],
    ["ink-faint", "surface"],
    ["ink-faint", "raised"],
    ["ink-faint", "sunken"],
    ["accent-ink", "accent"],
    ["accent-text", "accent-soft"],
    ["accent-text", "surface"],
    ["good", "good-soft"],
    ["bad", "bad-soft"],
    ["bad", "surface"],
    ["warn", "warn-soft"],
    ["map-label", "map-land"],
    ["map-label-water", "map-label-halo"],
    ["map-place", "map-label-halo"],
  ] as const;
  for (const palette of palettes()) {
    for (const [text, surface] of pairs) {
      const ratio = contrast(palette.get(text) as Rgb, palette.get(surface) as Rgb);
      assert.ok(ratio >= 4.5, `${text} on ${surface}: ${ratio.toFixed(2)}`);
    }
  }
});
