import { useEffect, useState } from "preact/hooks";
import { formatDay, formatFactor, formatSeconds, formatTime } from "../i18n/format.ts";
import { inLanguage, language, messages } from "../i18n/index.ts";
import { narrow } from "../ui/environment.ts";
import { Beacon } from "../ui/icon.tsx";
import { LanguageSwitch } from "../ui/language-switch.tsx";
import { clock, link, phase, scene, simulated } from "./store.ts";

/** Faster than this, seconds would be a blur. */
const SECONDS_UP_TO_SPEED = 5;
const TICK_MS = 250;

/** Re-renders its component at a steady pace. */
function useTicks(ms: number): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), ms);
    return () => clearInterval(timer);
  }, [ms]);
}

function Clock() {
  useTicks(TICK_MS);
  const told = clock.value;
  const zone = scene.value?.destination.time_zone;
  if (!told || !zone) return <div class="clock" aria-hidden="true" />;
  const text = messages.value.clock;
  // The clock stands still with the connection: a time nobody told would be an invention.
  const since_ms = link.value.state === "live" ? performance.now() - told.told_ms : 0;
  const now_ms = told.now_ms + Math.min(since_ms, 2_000) * told.speed;
  const factor = formatFactor(told.speed);
  const format = told.speed <= SECONDS_UP_TO_SPEED && !narrow.value ? formatSeconds : formatTime;
  return (
    <div class="clock" title={simulated.value ? text.simulatedNow : text.now}>
      <span class="clock-day">{formatDay(now_ms, zone)}</span>
      <time class="clock-time tabular" dateTime={new Date(now_ms).toISOString()}>
        {format(now_ms, zone)}
      </time>
      {told.speed !== 1 && (
        <span class="chip tabular" title={told.speed === 0 ? text.paused : text.speedHint(factor)}>
          {told.speed === 0 ? text.paused : text.speed(factor)}
        </span>
      )}
    </div>
  );
}

function LinkPill() {
  const text = messages.value.link;
  const { state } = link.value;
  const failed = phase.value === "failed" || state === "lost";
  const words = failed ? text.lost : state === "live" ? text.live : text.connecting;
  return (
    <span class="link-pill" data-state={failed ? "lost" : state} title={words}>
      <i aria-hidden="true" />
      <span class="link-words">{words}</span>
    </span>
  );
}

export function Header() {
  const text = messages.value.app;
  const destination = scene.value?.destination;
  return (
    <header class="bar">
      <Beacon />
      <h1>
        {destination
          ? inLanguage(destination.name, language.value, destination.default_language)
          : "Balise"}
      </h1>
      {simulated.value && (
        <span class="chip simulated" title={text.simulatedHint}>
          <i class="visitor-dot" aria-hidden="true" />
          {text.simulated}
        </span>
      )}
      <span class="bar-gap" />
      <Clock />
      <LinkPill />
      <LanguageSwitch short={narrow.value} />
    </header>
  );
}
