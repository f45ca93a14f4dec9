import { useEffect, useState } from "preact/hooks";
import { messages } from "../i18n/index.ts";
import { Icon } from "../ui/icon.tsx";
import { link, phase } from "./store.ts";
import { start } from "./stream.ts";

function useSecondsUntil(at_ms: number | null): number {
  const [, tick] = useState(0);
  useEffect(() => {
    if (at_ms === null) return;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [at_ms]);
  return at_ms === null ? 0 : Math.max(0, Math.ceil((at_ms - performance.now()) / 1_000));
}

/** Says that the line is cut, when the next attempt comes, and lets the reader not wait for it. */
export function Banner() {
  const { link: text, load } = messages.value;
  const state = link.value;
  const seconds = useSecondsUntil(state.state === "waiting" ? state.retryAt_ms : null);
  const never = phase.value === "failed";
  if (state.state === "live" || (state.state === "connecting" && !never)) return null;
  return (
    <div class="banner" role="status">
      <Icon name="plug" />
      <div class="banner-words">
        <strong>{never ? load.failed : text.lost}</strong>
        <span>{never ? load.failedHint : text.stale}</span>
        {/* Counting aloud would drown everything else. */}
        <span class="tabular" aria-hidden="true">
          {seconds > 0 ? text.retryIn(seconds) : text.retrying}
        </span>
      </div>
      <button type="button" class="button small" onClick={() => void start()}>
        {text.retryNow}
      </button>
    </div>
  );
}
