/** The interface language: chosen by the browser, changed by the switch, kept for the next visit. */
import { computed, signal } from "@preact/signals";
import type { Multilingual } from "../live/contract.ts";
import { de } from "./de.ts";
import { type Catalogue, en } from "./en.ts";
import { fr } from "./fr.ts";

const CATALOGUES = { fr, en, de } as const satisfies Record<string, Catalogue>;
export type Language = keyof typeof CATALOGUES;
export const LANGUAGES: readonly { code: Language; name: string }[] = [
  { code: "fr", name: "Français" },
  { code: "en", name: "English" },
  { code: "de", name: "Deutsch" },
];
const STORAGE_KEY = "balise.language";

const isLanguage = (value: string | null): value is Language =>
  value !== null && Object.hasOwn(CATALOGUES, value);

/** The first of the browser's languages that we speak; English when we speak none of them. */
export function chooseLanguage(stored: string | null, preferred: readonly string[]): Language {
  if (isLanguage(stored)) return stored;
  for (const tag of preferred) {
    const base = tag.toLowerCase().split("-", 1)[0] ?? "";
    if (isLanguage(base)) return base;
  }
  return "en";
}

/** The text for a language: exact, then its base, then the default, then whatever there is. */
export function inLanguage(text: Multilingual, language: string, fallback: string): string {
  const base = language.split("-", 1)[0] ?? language;
  return text[language] ?? text[base] ?? text[fallback] ?? Object.values(text)[0] ?? "";
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage can be refused by the browser's settings; the choice is then not kept
  }
}

const browserTags = typeof navigator === "undefined" ? [] : navigator.languages;
export const language = signal<Language>(chooseLanguage(readStored(), browserTags));
export const messages = computed<Catalogue>(() => CATALOGUES[language.value]);

export function setLanguage(code: Language): void {
  language.value = code;
  try {
    localStorage.setItem(STORAGE_KEY, code);
  } catch {
    // see readStored
  }
}
