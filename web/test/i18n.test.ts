import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { de } from "../src/i18n/de.ts";
import { en } from "../src/i18n/en.ts";
import { splitDuration } from "../src/i18n/format.ts";
import { fr } from "../src/i18n/fr.ts";
import { chooseLanguage, inLanguage } from "../src/i18n/index.ts";
import { backoff_ms, LONGEST_MS } from "../src/live/backoff.ts";

/** Every message of a catalogue, called with sample arguments where it takes some. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return [String(value(2, "2"))];
  return Object.values(value as object).flatMap(texts);
}

test("the browser's first language that we speak is chosen, and a kept choice wins", () => {
  assert.equal(chooseLanguage(null, ["it-IT", "de-AT", "en"]), "de");
  assert.equal(chooseLanguage("fr", ["de"]), "fr");
  assert.equal(chooseLanguage("tlh", ["ja"]), "en");
});

test("a text falls back from region to language to default to anything", () => {
  assert.equal(inLanguage({ fr: "lac", en: "lake" }, "fr-CA", "en"), "lac");
  assert.equal(inLanguage({ fr: "lac", en: "lake" }, "de", "en"), "lake");
  assert.equal(inLanguage({ it: "lago" }, "de", "en"), "lago");
  assert.equal(inLanguage({}, "de", "en"), "");
});

test("all catalogues know the same reasons and leave nothing empty", () => {
  for (const catalogue of [fr, de]) {
    assert.deepEqual(Object.keys(catalogue.reasons).sort(), Object.keys(en.reasons).sort());
  }
  for (const catalogue of [en, fr, de]) {
    for (const text of texts(catalogue)) assert.notEqual(text.trim(), "");
  }
});

test("French puts a no-break space before its double punctuation", () => {
  for (const text of texts(fr)) assert.doesNotMatch(text, /[^\u00a0\u202f][;:!?](\s|$)/, text);
});

test("durations take the unit that reads best", () => {
  const units = [12, 999, 1_000, 250_000, 2_000_000].map((us) => splitDuration(us)[1]);
  assert.deepEqual(units, ["µs", "µs", "ms", "ms", "s"]);
});

test("waiting grows, spreads and is bounded", () => {
  for (let attempt = 0; attempt < 40; attempt++) {
    assert.ok(backoff_ms(attempt, 0) <= backoff_ms(attempt, 0.999));
    assert.ok(backoff_ms(attempt, 0) <= backoff_ms(attempt + 1, 0));
    assert.ok(backoff_ms(attempt, 0.999) <= LONGEST_MS);
  }
});

test("every reason that the engine can give has words", () => {
  const source = readFileSync("../rules/decisions.py", "utf8");
  const reasons = [...source.matchAll(/^ {4}[A-Z_]+ = "(\w+)"/gm)].map(([, name]) => name);
  assert.ok(reasons.includes("quiet_hours"));
  const worded = Object.keys(en.reasons);
  assert.deepEqual(
    reasons.filter((name) => name !== "sent" && !worded.includes(name ?? "")),
    [],
  );
});
