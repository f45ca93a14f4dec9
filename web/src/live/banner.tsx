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

/** When the next attempt comes, in words. Not for screen readers: counting aloud drowns the rest. */
function Countdown() {
  const text = messages.value.link;
  const state = link.value;
  const seconds = useSecondsUntil(state.state === "lost" ? state.retryAt_ms : null);
  return (
    <span class="countdown tabular" aria-hidden="true">
      {seconds > 0 ? text.retryIn(seconds) : text.retrying}
    </span>
  );
}

function RetryButton() {
  return (
    <button type="button" class="button small" onClick={() => void start()}>
      {messages.value.link.retryNow}
    </button>
  );
}

/** In place of the map when there never was anything to show. */
export function Unreachable() {
  const { load } = messages.value;
  return (
    <div class="veil" role="status">
      <Icon name="plug" />
      <strong>{load.failed}</strong>
      <span>{load.failedHint}</span>
      <Countdown />
      <RetryButton />
    </div>
  );
}

/** Over the map when the line is cut: what is shown is the past, and the next attempt is known. */
export function Banner() {
  const text = messages.value.link;
  if (link.value.state !== "lost" || phase.value === "failed") return null;
  return (
    <div class="banner" role="status">
      <Icon name="plug" />
      <div class="banner-words">
        <strong>{text.lost}</strong>
        <span class="banner-hint">{text.stale}</span>
        <Countdown />
      </div>
      <RetryButton />
    </div>
  );
}
