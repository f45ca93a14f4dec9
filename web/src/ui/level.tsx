import { messages } from "../i18n/index.ts";
import type { Level as LevelName } from "../live/contract.ts";

/** Steps that are lit, for each level; none when it is unknown. */
export const LEVEL_STEPS: Readonly<Record<LevelName, number>> = {
  unknown: 0,
  quiet: 1,
  moderate: 2,
  busy: 3,
  very_busy: 4,
  full: 5,
};
const STEPS = [1, 2, 3, 4, 5];

/** A level as steps and a word, so that it never depends on colour. */
export function Level({ level }: { level: LevelName }) {
  return (
    <span class="level" data-level={level}>
      <span class="level-steps" aria-hidden="true">
        {STEPS.map((step) => (
          <i key={step} class={step <= LEVEL_STEPS[level] ? "on" : ""} />
        ))}
      </span>
      {messages.value.levels[level]}
    </span>
  );
}
